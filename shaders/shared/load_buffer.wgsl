// How the operands of a matrix product are read, four words at a time: from storage buffers. Index 0 is the start of
// the tensor, whose place in its buffer is the binding's. See load_texture.
@group(0) @binding(3) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(12) var<storage, read> argmax: array<vec4<u32>>;

fn x4(i: u32) -> vec4<u32> {
    return x[i];
}

fn w4(i: u32) -> vec4<f32> {
    return w[i];
}

fn dy4(i: u32) -> vec4<f32> {
    return dy[i];
}

fn argmax4(i: u32) -> vec4<u32> {
    return argmax[i];
}
