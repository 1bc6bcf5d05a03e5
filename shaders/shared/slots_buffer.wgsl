// How the gradients are read, and the table of where they are: from storage buffers. See slots_texture.
@group(0) @binding(2) var<storage, read> blocks: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> grads: array<vec4<f32>>;

fn block_at(i: u32) -> vec4<u32> {
    return blocks[i];
}

fn grads_at(i: u32) -> vec4<f32> {
    return grads[i];
}
