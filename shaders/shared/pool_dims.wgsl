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
}
