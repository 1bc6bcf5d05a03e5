// How accumulation reads the gradients: from the texture that mirrors the buffer which it writes, 1024 texels wide. See
// carried_buffer.
@group(0) @binding(2) var blocks: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(7) var grads_mirror: texture_storage_2d<rgba32uint, read>;

fn block_at(i: u32) -> vec4<u32> {
    return textureLoad(blocks, vec2<u32>(i & 1023u, i >> 10u));
}

fn grads_at(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(grads_mirror, vec2<u32>(i & 1023u, i >> 10u)));
}
