// A 16 x 32 tile of a matrix product by one subgroup of 8 lanes, without workgroup memory: lane l holds columns 4l to
// 4l + 3 of every row. The 16 values of the left operand are spread over the lanes and broadcast, so that one step costs a
// lane 2 loads of the left operand, 1 vector of the right, and 64 multiply-adds. Every lane must take part.
struct Rows {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
    r4: vec4<f32>,
    r5: vec4<f32>,
    r6: vec4<f32>,
    r7: vec4<f32>,
    r8: vec4<f32>,
    r9: vec4<f32>,
    r10: vec4<f32>,
    r11: vec4<f32>,
    r12: vec4<f32>,
    r13: vec4<f32>,
    r14: vec4<f32>,
    r15: vec4<f32>,
}

// t += a b^T for one k. Lane l brings row l of a in a_lo and row l + 8 in a_hi, and its four columns of b.
fn rows_add(t: ptr<function, Rows>, a_lo: f32, a_hi: f32, b: vec4<f32>) {
    (*t).r0 += subgroupBroadcast(a_lo, 0u) * b;
    (*t).r1 += subgroupBroadcast(a_lo, 1u) * b;
    (*t).r2 += subgroupBroadcast(a_lo, 2u) * b;
    (*t).r3 += subgroupBroadcast(a_lo, 3u) * b;
    (*t).r4 += subgroupBroadcast(a_lo, 4u) * b;
    (*t).r5 += subgroupBroadcast(a_lo, 5u) * b;
    (*t).r6 += subgroupBroadcast(a_lo, 6u) * b;
    (*t).r7 += subgroupBroadcast(a_lo, 7u) * b;
    (*t).r8 += subgroupBroadcast(a_hi, 0u) * b;
    (*t).r9 += subgroupBroadcast(a_hi, 1u) * b;
    (*t).r10 += subgroupBroadcast(a_hi, 2u) * b;
    (*t).r11 += subgroupBroadcast(a_hi, 3u) * b;
    (*t).r12 += subgroupBroadcast(a_hi, 4u) * b;
    (*t).r13 += subgroupBroadcast(a_hi, 5u) * b;
    (*t).r14 += subgroupBroadcast(a_hi, 6u) * b;
    (*t).r15 += subgroupBroadcast(a_hi, 7u) * b;
}

// Four k of one row, in their order.
fn row_add4(row: vec4<f32>, a: vec4<f32>, b: mat4x4<f32>) -> vec4<f32> {
    return (((row + a.x * b[0]) + a.y * b[1]) + a.z * b[2]) + a.w * b[3];
}

// t += a b^T for four k: b[k] is the lane's four columns of the k-th. Row after row, since 64 sums are more than a CPU has
// registers for: each is loaded and stored once, and not once for each k.
fn rows_add4(t: ptr<function, Rows>, a_lo: vec4<f32>, a_hi: vec4<f32>, b: mat4x4<f32>) {
    (*t).r0 = row_add4((*t).r0, subgroupBroadcast(a_lo, 0u), b);
    (*t).r1 = row_add4((*t).r1, subgroupBroadcast(a_lo, 1u), b);
    (*t).r2 = row_add4((*t).r2, subgroupBroadcast(a_lo, 2u), b);
    (*t).r3 = row_add4((*t).r3, subgroupBroadcast(a_lo, 3u), b);
    (*t).r4 = row_add4((*t).r4, subgroupBroadcast(a_lo, 4u), b);
    (*t).r5 = row_add4((*t).r5, subgroupBroadcast(a_lo, 5u), b);
    (*t).r6 = row_add4((*t).r6, subgroupBroadcast(a_lo, 6u), b);
    (*t).r7 = row_add4((*t).r7, subgroupBroadcast(a_lo, 7u), b);
    (*t).r8 = row_add4((*t).r8, subgroupBroadcast(a_hi, 0u), b);
    (*t).r9 = row_add4((*t).r9, subgroupBroadcast(a_hi, 1u), b);
    (*t).r10 = row_add4((*t).r10, subgroupBroadcast(a_hi, 2u), b);
    (*t).r11 = row_add4((*t).r11, subgroupBroadcast(a_hi, 3u), b);
    (*t).r12 = row_add4((*t).r12, subgroupBroadcast(a_hi, 4u), b);
    (*t).r13 = row_add4((*t).r13, subgroupBroadcast(a_hi, 5u), b);
    (*t).r14 = row_add4((*t).r14, subgroupBroadcast(a_hi, 6u), b);
    (*t).r15 = row_add4((*t).r15, subgroupBroadcast(a_hi, 7u), b);
}

// Row i of the result is component i of four lanes' vectors, from lane `first` on, which must be known when this is compiled.
fn four_lanes(v: vec4<f32>, first: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        subgroupShuffle(v, first), subgroupShuffle(v, first + 1u), subgroupShuffle(v, first + 2u), subgroupShuffle(v, first + 3u)
    ));
}

// The same where the left operand's rows are contiguous: lane l = 4 q + j brings, for the j-th of the four k, rows 4q to 4q + 3
// in a_lo and rows 8 + 4q to 11 + 4q in a_hi.
fn rows_add4_transposed(t: ptr<function, Rows>, a_lo: vec4<f32>, a_hi: vec4<f32>, b: mat4x4<f32>) {
    let a0 = four_lanes(a_lo, 0u);
    (*t).r0 = row_add4((*t).r0, a0[0], b);
    (*t).r1 = row_add4((*t).r1, a0[1], b);
    (*t).r2 = row_add4((*t).r2, a0[2], b);
    (*t).r3 = row_add4((*t).r3, a0[3], b);
    let a1 = four_lanes(a_lo, 4u);
    (*t).r4 = row_add4((*t).r4, a1[0], b);
    (*t).r5 = row_add4((*t).r5, a1[1], b);
    (*t).r6 = row_add4((*t).r6, a1[2], b);
    (*t).r7 = row_add4((*t).r7, a1[3], b);
    let a2 = four_lanes(a_hi, 0u);
    (*t).r8 = row_add4((*t).r8, a2[0], b);
    (*t).r9 = row_add4((*t).r9, a2[1], b);
    (*t).r10 = row_add4((*t).r10, a2[2], b);
    (*t).r11 = row_add4((*t).r11, a2[3], b);
    let a3 = four_lanes(a_hi, 4u);
    (*t).r12 = row_add4((*t).r12, a3[0], b);
    (*t).r13 = row_add4((*t).r13, a3[1], b);
    (*t).r14 = row_add4((*t).r14, a3[2], b);
    (*t).r15 = row_add4((*t).r15, a3[3], b);
}

// Row i. By selects: a switch costs a CPU driver a branch a case.
fn rows_row(t: ptr<function, Rows>, i: u32) -> vec4<f32> {
    let b0 = (i & 1u) == 1u;
    let b1 = (i & 2u) == 2u;
    let b2 = (i & 4u) == 4u;
    let p0 = select((*t).r0, (*t).r1, b0);
    let p1 = select((*t).r2, (*t).r3, b0);
    let p2 = select((*t).r4, (*t).r5, b0);
    let p3 = select((*t).r6, (*t).r7, b0);
    let p4 = select((*t).r8, (*t).r9, b0);
    let p5 = select((*t).r10, (*t).r11, b0);
    let p6 = select((*t).r12, (*t).r13, b0);
    let p7 = select((*t).r14, (*t).r15, b0);
    let q0 = select(p0, p1, b1);
    let q1 = select(p2, p3, b1);
    let q2 = select(p4, p5, b1);
    let q3 = select(p6, p7, b1);
    let h0 = select(q0, q1, b2);
    let h1 = select(q2, q3, b2);
    return select(h0, h1, i >= 8u);
}

// Rows 4 g to 4 g + 3.
fn rows_four(t: ptr<function, Rows>, g: u32) -> mat4x4<f32> {
    let odd = (g & 1u) == 1u;
    let high = g >= 2u;
    return mat4x4<f32>(
        select(select((*t).r0, (*t).r4, odd), select((*t).r8, (*t).r12, odd), high),
        select(select((*t).r1, (*t).r5, odd), select((*t).r9, (*t).r13, odd), high),
        select(select((*t).r2, (*t).r6, odd), select((*t).r10, (*t).r14, odd), high),
        select(select((*t).r3, (*t).r7, odd), select((*t).r11, (*t).r15, odd), high)
    );
}

// Rows i and i + 1, where i is even.
fn rows_two(t: ptr<function, Rows>, i: u32) -> mat2x4<f32> {
    let four = rows_four(t, i >> 2u);
    let high = (i & 2u) == 2u;
    return mat2x4<f32>(select(four[0], four[2], high), select(four[1], four[3], high));
}
