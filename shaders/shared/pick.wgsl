// Component i & 3 of a vector. By selects: an index that varies between lanes goes through memory on several drivers.
fn pick(v: vec4<u32>, i: u32) -> u32 {
    let odd = (i & 1u) == 1u;
    return select(select(v.x, v.y, odd), select(v.z, v.w, odd), (i & 2u) == 2u);
}
