// What each launch of conv2d and its other files is told. Twin of ops::conv2d::Dims.
struct Dims {
    b: u32,
    c: u32,
    h: u32,
    w: u32,
    o: u32,
    oh: u32,
    ow: u32,
    kh: u32,
    kw: u32,
    sh: u32, // stride
    sw: u32,
    ph: u32, // padding
    pw: u32,
    dh: u32, // dilation
    dw: u32,
    slices: u32, // of dw, each over slice_b images
    slice_b: u32,
    rx: u32,  // words from one replica to the next: x and dx
    ry: u32,  // y and dy
    rp: u32,  // params
    rdw: u32, // words of one slice of one replica: dw
    rdb: u32,
    accumulate: u32,
    has_bias: u32,
    replicas: u32,
    x0: u32, // first vector of four of each tensor in what it is read from; 0 where a binding starts at its tensor
    w0: u32,
    bias0: u32,
    dy0: u32,
    ra: u32, // words from one replica to the next: arg
    arg0: u32,
    groups: u32, // of channels; more than one in conv2d_grouped alone
}
