// The largest of four pixels in each of four channels, and its corner of the window (0 and 1 above, 2 and 3 below), a byte a
// channel. Of equals the first.
struct Winners {
    value: vec4<f32>,
    arg: u32,
}

fn winners(p0: vec4<f32>, p1: vec4<f32>, p2: vec4<f32>, p3: vec4<f32>) -> Winners {
    let on1 = p1 > p0;
    let v1 = select(p0, p1, on1);
    let on2 = p2 > v1;
    let v2 = select(v1, p2, on2);
    let on3 = p3 > v2;
    let corner = select(select(select(vec4<u32>(0u), vec4<u32>(1u), on1), vec4<u32>(2u), on2), vec4<u32>(3u), on3);
    let bytes = corner << vec4<u32>(0u, 8u, 16u, 24u);
    return Winners(select(v2, p3, on3), bytes.x | bytes.y | bytes.z | bytes.w);
}
