// A tile of a fully connected layer's weight gradient, dw[o, i] = sum over b of dy[b, o] x[b, i], by one subgroup of 8 lanes:
// 16 x 32, lane l holds columns 4l to 4l + 3 of every row; or, wide, 16 x 64, and it holds columns 8l to 8l + 3 in one and the
// next four in another, for which I must be a multiple of eight. And of the bias gradient, the sums of dy over b. The importer
// imports broadcast, load, source4, pick and quad, and declares dims.i, o, x0, rx, dy0 and ry.

// Of the tile's rows 4 (lane / 4) to 4 (lane / 4) + 3, and of those 8 further down.
struct BiasGradient {
    lo: vec4<f32>,
    hi: vec4<f32>,
}

// Four outputs of row b of dy, from element `at` of it on. Those past the end are sums that are not stored. Rows start at vectors of
// four where not ragged.
fn dy_rows(at: u32, b: u32, ragged: bool) -> vec4<f32> {
    if ragged {
        return dy_quad(at + b * dims.o);
    }
    return dy4((at >> 2u) + b * ((dims.o + 3u) >> 2u));
}

// The lane's columns of a row of x, from vector i on: an even one where there are eight, which then lie in one texel of bytes.
fn columns(s: vec2<f32>, i: u32, wide: bool) -> mat2x4<f32> {
    if !wide {
        return mat2x4<f32>(source4(s, i), vec4<f32>());
    }
    if SOURCE == 2u {
        let v = x4(i >> 2u);
        let two = select(v.xy, v.zw, (i & 2u) == 2u);
        let bytes = vec4<u32>(0u, 8u, 16u, 24u);
        return mat2x4<f32>(
            vec4<f32>((two.xxxx >> bytes) & vec4<u32>(0xffu)) * s.x + s.y,
            vec4<f32>((two.yyyy >> bytes) & vec4<u32>(0xffu)) * s.x + s.y
        );
    }
    return mat2x4<f32>(source4(s, i), source4(s, i + 1u));
}

// Adds the terms of the rows from `start` to before `end` of the run's batch `batch`: the tile's first row is row, the lane's
// first column col. Nothing is added to u but where the tile is wide.
fn weight_gradient(
    t: ptr<function, Rows>, u: ptr<function, Rows>, wide: bool, r: u32, lane: u32, row: u32, col: u32, batch: u32, start: u32,
    end: u32, ragged: bool
) -> BiasGradient {
    let j = lane & 3u;
    let last = (dims.o - 1u) & ~3u;
    let dy0 = 4u * dims.dy0 + r * dims.ry;
    let dy_lo = dy0 + min(row + 4u * (lane >> 2u), last);
    let dy_hi = dy0 + min(row + 8u + 4u * (lane >> 2u), last);
    let width = dims.i >> 2u;
    let c = min(col >> 2u, width - select(1u, 2u, wide));
    let s = scaling(r);
    var sum_lo = vec4<f32>();
    var sum_hi = vec4<f32>();
    for (var k = start; k < end; k += 8u) {
        // Eight rows of the batch at a time; each lane finds one of them. Rows past the end count as zero. Every load comes before
        // the first sum: what waits for the later ones then has something to do.
        let row_x = source4_row_of(r, batch, min(k + lane, end - 1u), width);
        let b = min(k + j, end - 1u);
        let b2 = min(k + 4u + j, end - 1u);
        let there = select(0.0, 1.0, k + j < end);
        let there2 = select(0.0, 1.0, k + 4u + j < end);
        let lo = dy_rows(dy_lo, b, ragged) * there;
        let hi = dy_rows(dy_hi, b, ragged) * there;
        let lo2 = dy_rows(dy_lo, b2, ragged) * there2;
        let hi2 = dy_rows(dy_hi, b2, ragged) * there2;
        // Written out: a lane that is known beforehand is a move, one that is not goes through memory.
        let x0 = columns(s, subgroupBroadcast(row_x, 0u) + c, wide);
        let x1 = columns(s, subgroupBroadcast(row_x, 1u) + c, wide);
        let x2 = columns(s, subgroupBroadcast(row_x, 2u) + c, wide);
        let x3 = columns(s, subgroupBroadcast(row_x, 3u) + c, wide);
        let x4 = columns(s, subgroupBroadcast(row_x, 4u) + c, wide);
        let x5 = columns(s, subgroupBroadcast(row_x, 5u) + c, wide);
        let x6 = columns(s, subgroupBroadcast(row_x, 6u) + c, wide);
        let x7 = columns(s, subgroupBroadcast(row_x, 7u) + c, wide);
        rows_add4_transposed(t, lo, hi, mat4x4<f32>(x0[0], x1[0], x2[0], x3[0]));
        if wide {
            rows_add4_transposed(u, lo, hi, mat4x4<f32>(x0[1], x1[1], x2[1], x3[1]));
        }
        rows_add4_transposed(t, lo2, hi2, mat4x4<f32>(x4[0], x5[0], x6[0], x7[0]));
        if wide {
            rows_add4_transposed(u, lo2, hi2, mat4x4<f32>(x4[1], x5[1], x6[1], x7[1]));
        }
        sum_lo += lo + lo2;
        sum_hi += hi + hi2;
    }
    // Over the four lanes that share rows, in a fixed tree.
    sum_lo += subgroupShuffleXor(sum_lo, 1u);
    sum_lo += subgroupShuffleXor(sum_lo, 2u);
    sum_hi += subgroupShuffleXor(sum_hi, 1u);
    sum_hi += subgroupShuffleXor(sum_hi, 2u);
    return BiasGradient(sum_lo, sum_hi);
}
