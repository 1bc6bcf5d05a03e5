// What a matrix product's kernel adds to its output where ACT says so: the residual connection. Element i of it goes with element
// i of y; where there is none something else is bound, never read. The importer imports activation.
@group(0) @binding(15) var<storage, read> residual: array<f32>;

fn add_residual(v: f32, i: u32) -> f32 {
    if (ACT & 0x100u) != 0u {
        return v + residual[i];
    }
    return v;
}

fn add_residual4(v: vec4<f32>, i: vec4<u32>) -> vec4<f32> {
    if (ACT & 0x100u) != 0u {
        return v + vec4<f32>(residual[i.x], residual[i.y], residual[i.z], residual[i.w]);
    }
    return v;
}
