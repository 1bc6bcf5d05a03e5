// What a convolution that pools hands its own backward kernels: the gradient of each window at the corner that won.
//   unpool  dx[b,c,2 h + i / 2,2 w + i % 2] = dy[b,c,h,w] where arg's byte for (b,c,h,w) is i, else zero, for i = 0..3
// Launch: one invocation a window of four channels, 64 to a workgroup in x; y over (B, ceil(C / 4)); z the replica.
// Edges: any number of channels.
#import pick
#import load

struct Dims {
    c: u32,
    h: u32, // of dy: dx is twice as high and wide
    w: u32,
    rx: u32, // words from one replica to the next: dx
    ry: u32, // dy
    ra: u32, // arg
    dy0: u32, // first vector of four of each tensor in what it is read from
    arg0: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(8) var<storage, read_write> dx: array<vec2<f32>>; // (B, C, 2 H, 2 W)
// 7 dy (B, C, H, W), 12 argmax (B, ceil(C / 4), H, W), a byte a channel: by load

@compute @workgroup_size(64)
fn unpool(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let here = wid.x * 64u + lid.x;
    let width = dims.w;
    let plane = dims.h * width;
    if here >= plane {
        return;
    }
    let fours = (dims.c + 3u) >> 2u;
    let b = wid.y / fours;
    let c = 4u * (wid.y % fours);
    let i = 4u * dims.arg0 + wid.z * dims.ra + wid.y * plane + here;
    var corners = pick(argmax4(i >> 2u), i);
    var at = 4u * dims.dy0 + wid.z * dims.ry + (b * dims.c + c) * plane + here;
    let h = here / width;
    // In pairs: a row of dx has `width` of them, a plane twice as many as dy has pixels.
    var to = ((wid.z * dims.rx) >> 1u) + (b * dims.c + c) * 2u * plane + 2u * h * width + (here - h * width);
    for (var k = c; k < min(c + 4u, dims.c); k++) {
        let v = pick(bitcast<vec4<u32>>(dy4(at >> 2u)), at);
        let corner = corners & 0xffu;
        let quad = bitcast<vec4<f32>>(select(vec4<u32>(), vec4<u32>(v), vec4<u32>(corner) == vec4<u32>(0u, 1u, 2u, 3u)));
        dx[to] = quad.xy;
        dx[to + width] = quad.zw;
        corners = corners >> 8u;
        at += plane;
        to += 2u * plane;
    }
}
