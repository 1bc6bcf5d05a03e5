// workgroup.wgsl's steps for 2-16-2, by one subgroup of 8 lanes a replica that keeps everything in registers: lane l has the
// hidden units l and l + 8, every lane all logits.
override B: u32;
override STEPS: u32;
override LR: f32;

@group(0) @binding(0) var<storage, read_write> params: array<f32>;
@group(0) @binding(1) var<storage, read_write> moments: array<f32>;
@group(0) @binding(2) var<storage, read_write> history: array<f32>;
@group(0) @binding(3) var<storage, read_write> clock: array<u32>;
@group(0) @binding(4) var samples: texture_2d<f32>;

// What a lane has of the parameters, or of their gradient.
struct Share {
    w1: vec4<f32>, // unit l by inputs 0 and 1, unit l + 8 likewise
    b1: vec2<f32>, // units l, l + 8
    w2: vec4<f32>, // output 0 by units l and l + 8, output 1 likewise
    b2: vec2<f32>,
}

fn over_lanes(v: vec2<f32>) -> vec2<f32> {
    var sum = v;
    sum += subgroupShuffleXor(sum, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    sum += subgroupShuffleXor(sum, 4u);
    return sum;
}

fn texel(i: u32) -> vec4<f32> {
    return textureLoad(samples, vec2<u32>(i & 1023u, i >> 10u), 0);
}

@compute @workgroup_size(8)
fn lanes_steps(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) l: u32) {
    let at = wid.z * 82u;
    let a = at + 2u * l;
    let b = at + 48u + l;
    var w = Share(
        vec4<f32>(params[a], params[a + 1u], params[a + 16u], params[a + 17u]),
        vec2<f32>(params[at + 32u + l], params[at + 40u + l]),
        vec4<f32>(params[b], params[b + 8u], params[b + 16u], params[b + 24u]), vec2<f32>(params[at + 80u], params[at + 81u])
    );
    var m = Share(
        vec4<f32>(moments[a], moments[a + 1u], moments[a + 16u], moments[a + 17u]),
        vec2<f32>(moments[at + 32u + l], moments[at + 40u + l]),
        vec4<f32>(moments[b], moments[b + 8u], moments[b + 16u], moments[b + 24u]),
        vec2<f32>(moments[at + 80u], moments[at + 81u])
    );
    let first = clock[wid.z];
    for (var t = first; t < first + STEPS; t++) {
        var g = Share();
        var loss = 0.0;
        for (var row = t * B; row < t * B + B; row++) {
            let x = texel(2u * row).xy;
            let second = texel(2u * row + 1u).x == 1.0;
            let h = max(w.b1 + x.x * w.w1.xz + x.y * w.w1.yw, vec2<f32>());
            let z = over_lanes(h.x * w.w2.xz + h.y * w.w2.yw) + w.b2;
            let top = max(z.x, z.y);
            let e = exp(z - top);
            let sum = e.x + e.y;
            loss += log(sum) + top - select(z.x, z.y, second);
            let d = (e / sum - select(vec2<f32>(1.0, 0.0), vec2<f32>(0.0, 1.0), second)) / f32(B);
            g.b2 += d;
            g.w2 += d.xxyy * h.xyxy;
            let dh = select(vec2<f32>(), d.x * w.w2.xy + d.y * w.w2.zw, h > vec2<f32>());
            g.b1 += dh;
            g.w1 += dh.xxyy * x.xyxy;
        }
        m = Share(0.9 * m.w1 + g.w1, 0.9 * m.b1 + g.b1, 0.9 * m.w2 + g.w2, 0.9 * m.b2 + g.b2);
        w = Share(w.w1 - LR * m.w1, w.b1 - LR * m.b1, w.w2 - LR * m.w2, w.b2 - LR * m.b2);
        if l == 0u {
            history[wid.z * 100u + t] = loss / f32(B);
        }
    }
    params[a] = w.w1.x;
    params[a + 1u] = w.w1.y;
    params[a + 16u] = w.w1.z;
    params[a + 17u] = w.w1.w;
    params[at + 32u + l] = w.b1.x;
    params[at + 40u + l] = w.b1.y;
    params[b] = w.w2.x;
    params[b + 8u] = w.w2.y;
    params[b + 16u] = w.w2.z;
    params[b + 24u] = w.w2.w;
    moments[a] = m.w1.x;
    moments[a + 1u] = m.w1.y;
    moments[a + 16u] = m.w1.z;
    moments[a + 17u] = m.w1.w;
    moments[at + 32u + l] = m.b1.x;
    moments[at + 40u + l] = m.b1.y;
    moments[b] = m.w2.x;
    moments[b + 8u] = m.w2.y;
    moments[b + 16u] = m.w2.z;
    moments[b + 24u] = m.w2.w;
    if l == 0u {
        params[at + 80u] = w.b2.x;
        params[at + 81u] = w.b2.y;
        moments[at + 80u] = m.b2.x;
        moments[at + 81u] = m.b2.y;
        clock[wid.z] = first + STEPS;
    }
}
