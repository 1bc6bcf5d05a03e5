// One element an invocation, 64 to a workgroup; beyond 65,535 workgroups the grid goes on in y.
fn flat(wid: vec3<u32>, lid: vec3<u32>) -> u32 {
    return (wid.y * 65535u + wid.x) * 64u + lid.x;
}
