// How a tensor is read word by word: from textures that mirror whole buffers, 1024 texels of four words wide. The
// importer imports pick. See at_buffer.
@group(0) @binding(3) var x: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(4) var w: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(5) var argmax: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(7) var dy: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(15) var residual: texture_storage_2d<rgba32uint, read>;

fn x_at(i: u32) -> f32 {
    return bitcast<f32>(pick(textureLoad(x, vec2<u32>((i >> 2u) & 1023u, i >> 12u)), i));
}

fn w_at(i: u32) -> f32 {
    return bitcast<f32>(pick(textureLoad(w, vec2<u32>((i >> 2u) & 1023u, i >> 12u)), i));
}

fn argmax_at(i: u32) -> u32 {
    return pick(textureLoad(argmax, vec2<u32>((i >> 2u) & 1023u, i >> 12u)), i);
}

fn dy_at(i: u32) -> f32 {
    return bitcast<f32>(pick(textureLoad(dy, vec2<u32>((i >> 2u) & 1023u, i >> 12u)), i));
}

fn residual_at(i: u32) -> f32 {
    return bitcast<f32>(pick(textureLoad(residual, vec2<u32>((i >> 2u) & 1023u, i >> 12u)), i));
}
