// The invocations that end a step, and sums over them: a workgroup as any other. The importer imports reduce. See team_texture.
const TEAM = 64u;

fn team_sum(i: u32, v: vec4<f32>) -> vec4<f32> {
    return workgroup_sum(i, v);
}

fn team_total(i: u32, v: f32) -> f32 {
    return workgroup_total(i, v);
}
