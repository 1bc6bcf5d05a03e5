// Activations fused into the kernel that makes a value (apply) and into the one that makes its gradient (slope).
// ACT: 0 none, 1 relu, 2 tanh, 3 sigmoid, 4 gelu, 5 silu. Twin of ops::activation::Activation. Further hexadecimal digits say
// what else a kernel does: see ops::Epilogue.
override ACT: u32 = 0u;

// Abramowitz & Stegun 7.1.26, |error| < 1.5e-7.
fn erf(z: f32) -> f32 {
    let a = abs(z);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(z) * (1.0 - p * exp(-a * a));
}

fn activated(act: u32, z: f32) -> f32 {
    switch act {
        case 1u: { return max(z, 0.0); }
        // A driver may divide exp(z) by exp(z): at 10 they are finite, and tanh has long been 1.
        case 2u: { return tanh(clamp(z, -10.0, 10.0)); }
        case 3u: { return 1.0 / (1.0 + exp(-z)); }
        case 4u: { return 0.5 * z * (1.0 + erf(z * 0.7071067811865476)); }
        case 5u: { return z / (1.0 + exp(-z)); }
        default: { return z; }
    }
}

// d activated(z) / dz, from the value y = activated(z) alone: no others are fused where the slope is the reader's to apply.
fn slope_from(act: u32, y: f32) -> f32 {
    switch act {
        case 1u: { return select(0.0, 1.0, y > 0.0); }
        case 2u: { return 1.0 - y * y; }
        case 3u: { return y * (1.0 - y); }
        default: { return 1.0; }
    }
}

// d activated(z) / dz at z.
fn slope_of(act: u32, z: f32) -> f32 {
    let s = 1.0 / (1.0 + exp(-z));
    switch act {
        case 4u: { return 0.5 * (1.0 + erf(z * 0.7071067811865476)) + z * 0.3989422804014327 * exp(-0.5 * z * z); }
        case 5u: { return s + z * s * (1.0 - s); }
        default: { return slope_from(act, activated(act, z)); }
    }
}

fn apply(z: f32) -> f32 {
    return activated(ACT & 15u, z);
}

fn slope_at(y: f32) -> f32 {
    return slope_from(ACT & 15u, y);
}

// The activation of a layer that computes z once more for its gradient.
fn own(z: f32) -> f32 {
    return activated((ACT >> 4u) & 15u, z);
}

fn own_slope(z: f32) -> f32 {
    return slope_of((ACT >> 4u) & 15u, z);
}

fn apply4(z: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(apply(z.x), apply(z.y), apply(z.z), apply(z.w));
}

fn slope4_at(y: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(slope_at(y.x), slope_at(y.y), slope_at(y.z), slope_at(y.w));
}
