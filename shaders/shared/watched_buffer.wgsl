// How what watches the optimizer reads its slots, which it does not write: from storage buffers. See watched_texture.
@group(0) @binding(2) var<storage, read> blocks: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> params: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> moments: array<vec4<f32>>;

fn block_at(i: u32) -> vec4<u32> {
    return blocks[i];
}

fn grads_at(i: u32) -> vec4<f32> {
    return grads[i];
}

fn params_at(i: u32) -> vec4<f32> {
    return params[i];
}

fn moments_at(i: u32) -> vec4<f32> {
    return moments[i];
}
