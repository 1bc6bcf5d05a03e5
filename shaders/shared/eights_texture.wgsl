// How an update reads parameters and moments as they were, and writes them, eight at a time: it reads textures that mirror the
// buffers, 1024 texels wide, and writes the buffers by words of 64 bits. Mesa's CPU driver stores lane by lane, and what a lane's
// turn costs is its number of components: eight numbers as four take two thirds of the time. See eights_buffer.
@group(0) @binding(5) var<storage, read_write> params: array<vec4<u64>>;
@group(0) @binding(6) var<storage, read_write> moments: array<vec4<u64>>;
@group(0) @binding(13) var params_mirror: texture_storage_2d<rgba32uint, read>;
@group(0) @binding(14) var moments_mirror: texture_storage_2d<rgba32uint, read>;

fn params_at(i: u32) -> mat2x4<f32> {
    let at = vec2<u32>((2u * i) & 1023u, i >> 9u);
    return mat2x4<f32>(
        bitcast<vec4<f32>>(textureLoad(params_mirror, at)), bitcast<vec4<f32>>(textureLoad(params_mirror, at + vec2<u32>(1u, 0u)))
    );
}

fn moments_at(i: u32) -> mat2x4<f32> {
    let at = vec2<u32>((2u * i) & 1023u, i >> 9u);
    return mat2x4<f32>(
        bitcast<vec4<f32>>(textureLoad(moments_mirror, at)), bitcast<vec4<f32>>(textureLoad(moments_mirror, at + vec2<u32>(1u, 0u)))
    );
}

// Two numbers a word.
fn words(v: mat2x4<f32>) -> vec4<u64> {
    let lo = bitcast<vec4<u32>>(vec4<f32>(v[0].xz, v[1].xz));
    let hi = bitcast<vec4<u32>>(vec4<f32>(v[0].yw, v[1].yw));
    return vec4<u64>(lo) | (vec4<u64>(hi) << vec4<u32>(32u));
}

fn params_put(i: u32, v: mat2x4<f32>) {
    params[i] = words(v);
}

fn moments_put(i: u32, v: mat2x4<f32>) {
    moments[i] = words(v);
}
