// How the outputs of a matrix product are stored, four words at a time: straight into the textures in which all their readers look
// for them, 1024 texels wide; nothing is copied then. A texture binding has no offset, so out0 says where the tensor starts. See
// store_buffer.
@group(0) @binding(6) var y: texture_storage_2d<rgba32uint, write>;
@group(0) @binding(8) var dx: texture_storage_2d<rgba32uint, write>;
@group(0) @binding(13) var dz: texture_storage_2d<rgba32uint, write>;

fn store_y(i: u32, v: vec4<f32>) {
    textureStore(y, vec2<u32>(i & 1023u, i >> 10u), bitcast<vec4<u32>>(v));
}

fn store_dx(i: u32, v: vec4<f32>) {
    textureStore(dx, vec2<u32>(i & 1023u, i >> 10u), bitcast<vec4<u32>>(v));
}

fn store_dz(i: u32, v: vec4<f32>) {
    textureStore(dz, vec2<u32>(i & 1023u, i >> 10u), bitcast<vec4<u32>>(v));
}

// Nothing: a gradient with several makers goes into a buffer.
fn dx_before(i: u32) -> vec4<f32> {
    return vec4<f32>();
}
