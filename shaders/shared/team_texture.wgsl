// As team_buffer, where textures are read: one subgroup of 8 lanes. What the first invocation does alone Mesa's CPU driver goes through
// with every subgroup of the workgroup, masked.
const TEAM = 8u;

fn team_sum(i: u32, v: vec4<f32>) -> vec4<f32> {
    return over_eight4(v);
}

fn team_total(i: u32, v: f32) -> f32 {
    return over_eight(v);
}
