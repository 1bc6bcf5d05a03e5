// Where the gradient of each 64 words of params is, and what their group multiplies: by blocks, see update.wgsl. The importer
// imports slots.

// The gradient of the e-th vector of a replica's parameters: its slices, summed in order.
fn gradient(r: u32, replicas: u32, e: u32) -> vec4<f32> {
    let block = block_at(e >> 4u);
    if block.z == 0u {
        return vec4<f32>();
    }
    let at = block.x + r * block.y + (e & 15u);
    var g = grads_at(at);
    for (var s = 1u; s < block.z; s++) {
        g += grads_at(at + s * replicas * block.y);
    }
    return g;
}

override GROUPS: u32 = 0u;

// What the rate and the decay of the e-th vector are multiplied by.
fn multipliers(e: u32) -> vec2<f32> {
    if GROUPS == 0u {
        return vec2<f32>(1.0);
    }
    let group = block_at(e >> 4u).w;
    return select(bitcast<vec2<f32>>(block_at(group).xy), vec2<f32>(1.0), group == 0u);
}
