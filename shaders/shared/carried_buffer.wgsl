// How accumulation reads the gradients: from the buffer that it writes. See carried_texture.
@group(0) @binding(2) var<storage, read> blocks: array<vec4<u32>>;

fn block_at(i: u32) -> vec4<u32> {
    return blocks[i];
}

fn grads_at(i: u32) -> vec4<f32> {
    return grads[i];
}
