// Many training steps of an MLP I-H-C in one launch, by one workgroup a replica that keeps everything in workgroup memory.
//   h = relu(x w1^T + b1);  z = h w2^T + b2;  loss = mean cross-entropy(z, label)
//   m = 0.9 m + dw;  w -= LR m
// Launch: z the replica; STEPS steps from clock[replica] on. H I + H + C H + C <= 2432, B H <= 2048, B C <= 640, B <= 64.
override I: u32;
override H: u32;
override C: u32;
override B: u32;
override STEPS: u32; // Mesa's CPU driver may cut an invocation off after 65,535 turns of its loops
override LR: f32;

@group(0) @binding(0) var<storage, read_write> params: array<f32>;  // (replicas, P): w1 (H, I), b1 (H), w2 (C, H), b2 (C)
@group(0) @binding(1) var<storage, read_write> moments: array<f32>; // likewise
@group(0) @binding(2) var<storage, read_write> history: array<f32>; // (replicas, 100)
@group(0) @binding(3) var<storage, read_write> clock: array<u32>;   // (replicas)
@group(0) @binding(4) var samples: texture_2d<f32>; // 1024 texels a row; of each sample I / 4 texels, then one with its label

const N = 256u;
var<workgroup> w: array<f32, 2432>;
var<workgroup> h: array<f32, 2048>;  // (B, H)
var<workgroup> dh: array<f32, 2048>; // (B, H)
var<workgroup> d: array<f32, 640>;   // (B, C): z, then its gradient
var<workgroup> losses: array<f32, 64>;

fn texel(i: u32) -> vec4<f32> {
    return textureLoad(samples, vec2<u32>(i & 1023u, i >> 10u), 0);
}

@compute @workgroup_size(256)
fn workgroup_steps(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    let texels = (I + 3u) / 4u + 1u;
    let b1 = H * I;
    let w2 = b1 + H;
    let b2 = w2 + C * H;
    let size = b2 + C;
    let base = wid.z * size;
    let first = clock[wid.z];
    for (var e = lid; e < size; e += N) {
        w[e] = params[base + e];
    }
    for (var t = first; t < first + STEPS; t++) {
        workgroupBarrier();
        for (var e = lid; e < B * H; e += N) {
            let row = (t * B + e / H) * texels;
            let at = e % H * I;
            var sum = w[b1 + e % H];
            for (var i = 0u; i < I; i += 4u) {
                let x = texel(row + i / 4u);
                sum += x.x * w[at + i];
                sum += select(0.0, x.y * w[at + i + 1u], i + 1u < I);
                sum += select(0.0, x.z * w[at + i + 2u], i + 2u < I);
                sum += select(0.0, x.w * w[at + i + 3u], i + 3u < I);
            }
            h[e] = max(sum, 0.0);
        }
        workgroupBarrier();
        for (var e = lid; e < B * C; e += N) {
            let row = e / C * H;
            let at = w2 + e % C * H;
            var sum = w[b2 + e % C];
            for (var i = 0u; i < H; i++) {
                sum += h[row + i] * w[at + i];
            }
            d[e] = sum;
        }
        workgroupBarrier();
        if lid < B {
            let label = u32(texel((t * B + lid) * texels + texels - 1u).x);
            let at = lid * C;
            var top = d[at];
            for (var c = 1u; c < C; c++) {
                top = max(top, d[at + c]);
            }
            var sum = 0.0;
            for (var c = 0u; c < C; c++) {
                sum += exp(d[at + c] - top);
            }
            losses[lid] = log(sum) + top - d[at + label];
            for (var c = 0u; c < C; c++) {
                d[at + c] = (exp(d[at + c] - top) / sum - select(0.0, 1.0, c == label)) / f32(B);
            }
        }
        workgroupBarrier();
        for (var e = lid; e < B * H; e += N) {
            var sum = 0.0;
            for (var c = 0u; c < C; c++) {
                sum += d[e / H * C + c] * w[w2 + c * H + e % H];
            }
            dh[e] = select(0.0, sum, h[e] > 0.0);
        }
        if lid == 0u {
            var sum = 0.0;
            for (var b = 0u; b < B; b++) {
                sum += losses[b];
            }
            history[wid.z * 100u + t] = sum / f32(B);
        }
        workgroupBarrier();
        // A weight's gradient is summed by whoever moves the weight.
        for (var e = lid; e < size; e += N) {
            var sum = 0.0;
            if e < b1 {
                let i = e % I;
                for (var b = 0u; b < B; b++) {
                    sum += dh[b * H + e / I] * texel((t * B + b) * texels + i / 4u)[i % 4u];
                }
            } else if e < w2 {
                for (var b = 0u; b < B; b++) {
                    sum += dh[b * H + e - b1];
                }
            } else if e < b2 {
                for (var b = 0u; b < B; b++) {
                    sum += d[b * C + (e - w2) / H] * h[b * H + (e - w2) % H];
                }
            } else {
                for (var b = 0u; b < B; b++) {
                    sum += d[b * C + e - b2];
                }
            }
            let m = 0.9 * moments[base + e] + sum;
            moments[base + e] = m;
            w[e] -= LR * m;
        }
    }
    workgroupBarrier();
    for (var e = lid; e < size; e += N) {
        params[base + e] = w[e];
    }
    if lid == 0u {
        clock[wid.z] = first + STEPS;
    }
}
