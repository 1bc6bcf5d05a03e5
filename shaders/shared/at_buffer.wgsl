// How a tensor is read word by word: from storage buffers. See at_texture.
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read> argmax: array<u32>;
@group(0) @binding(7) var<storage, read> dy: array<f32>;
@group(0) @binding(15) var<storage, read> residual: array<f32>;

fn x_at(i: u32) -> f32 {
    return x[i];
}

fn w_at(i: u32) -> f32 {
    return w[i];
}

fn argmax_at(i: u32) -> u32 {
    return argmax[i];
}

fn dy_at(i: u32) -> f32 {
    return dy[i];
}

fn residual_at(i: u32) -> f32 {
    return residual[i];
}
