// What each launch of max_pool and avg_pool is told. Twin of ops::window::PoolDims.
struct Dims {
    h: u32,
    w: u32,
    oh: u32,
    ow: u32,
    kh: u32,
    kw: u32,
    sh: u32,
    sw: u32,
    ph: u32,
    pw: u32,
    rx: u32, // words from one replica to the next: x and dx
    ry: u32, // y, dy and arg
    accumulate: u32,
    x0: u32, // first word of each tensor in what it is read from
    dy0: u32,
    arg0: u32,
    planes: u32, // B C
    shift: u32,  // 1 << shift invocations of a workgroup to a plane: 6, or less where planes are small
}

// Which plane, and which pixel of it. Either may lie past the end.
struct Place {
    plane: u32,
    pixel: u32,
}

fn place(wid: vec3<u32>, lid: vec3<u32>) -> Place {
    let share = 1u << dims.shift;
    return Place(wid.y * (64u >> dims.shift) + (lid.x >> dims.shift), wid.x * 64u + (lid.x & (share - 1u)));
}
