// What each launch of linear, linear_broadcast and linear_tiled is told. Twin of ops::linear::Dims.
struct Dims {
    b: u32,
    i: u32,
    o: u32,
    rx: u32,  // words from one replica to the next: x and dx
    ry: u32,  // y and dy
    rp: u32,  // params
    rdw: u32, // words of one slice of one replica: dw
    rdb: u32, // and dbias
    slices: u32, // of dw, each over slice_b rows
    slice_b: u32,
    accumulate: u32,
    has_bias: u32,
    replicas: u32,
    x0: u32, // first vector of four of each tensor in what it is read from; 0 where a binding starts at its tensor
    w0: u32,
    bias0: u32,
    dy0: u32,
    out0: u32, // the same of y or dx, in what it is stored in
}
