// How the operands of a matrix product are read, four words at a time: from textures that mirror whole buffers, 1024
// texels wide. A texture binding has no offset, so dims say where each tensor starts. Mesa's CPU driver reads these 35
// times faster than storage buffers. See load_buffer.
@group(0) @binding(3) var x: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(4) var w: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(7) var dy: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(12) var argmax: texture_storage_2d<rgba32uint, read>;

fn x4(i: u32) -> vec4<u32> {
    return textureLoad(x, vec2<u32>(i & 1023u, i >> 10u));
}

fn w4(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(w, vec2<u32>(i & 1023u, i >> 10u)));
}

fn dy4(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(textureLoad(dy, vec2<u32>(i & 1023u, i >> 10u)));
}

fn argmax4(i: u32) -> vec4<u32> {
    return textureLoad(argmax, vec2<u32>(i & 1023u, i >> 10u));
}
