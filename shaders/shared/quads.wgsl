// What quads of 2 x 2 pixels under 3 x 3 taps of stride 1 have in common: the 4 x 4 pixels that a quad's taps see, and the
// gradients of 16 filters. The importer imports pick, load and source4.
const STEPS = vec4<i32>(0, 1, 2, 3);

// Four words that start `part` words into lo and go on in hi. By selects in two stages.
fn shifted(lo: vec4<u32>, hi: vec4<u32>, part: u32) -> vec4<u32> {
    let two = (part & 2u) == 2u;
    let even = select(lo, vec4<u32>(lo.zw, hi.xy), two);
    let fifth = select(hi.x, hi.z, two);
    return select(even, vec4<u32>(even.yzw, fifth), (part & 1u) == 1u);
}

// The nine taps of one filter, row by row.
struct Taps {
    a: vec4<f32>,
    b: vec4<f32>,
    c: f32,
}

// The 4 x 4 pixels that the nine taps of a quad see.
struct Patch {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
}

// Where a patch's rows start in channel 0 (word by word, or byte by byte), and which of its pixels lie in the image: all bits.
struct Spots {
    at: vec4<i32>,
    in0: vec4<u32>,
    in1: vec4<u32>,
    in2: vec4<u32>,
    in3: vec4<u32>,
}

fn spots(base: u32, top: i32, left: i32, height: u32, width: u32) -> Spots {
    let h = top + STEPS;
    let rows = bitcast<vec4<u32>>(h) < vec4<u32>(height); // a negative is a large unsigned
    let columns = select(vec4<u32>(), vec4<u32>(~0u), bitcast<vec4<u32>>(left + STEPS) < vec4<u32>(width));
    let none = vec4<u32>();
    return Spots(
        i32(base) + select(vec4<i32>(), h * i32(width) + left, rows),
        select(none, columns, rows.x), select(none, columns, rows.y),
        select(none, columns, rows.z), select(none, columns, rows.w)
    );
}

// Four pixels of x from element i on, which may lie before the first.
fn x_row(s: vec2<f32>, i: i32, inside: vec4<u32>) -> vec4<f32> {
    var v: vec4<f32>;
    if SOURCE == 2u {
        let word = i >> 2u;
        let lo = u32(max(word, 0));
        let hi = u32(word + 1);
        let shift = 8u * (u32(i) & 3u);
        let bytes = (pick(x4(lo >> 2u), lo) >> shift) | ((pick(x4(hi >> 2u), hi) << 1u) << (31u - shift));
        v = vec4<f32>((vec4<u32>(bytes) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu));
    } else {
        let vector = i >> 2u;
        v = bitcast<vec4<f32>>(shifted(x4(u32(max(vector, 0))), x4(u32(vector + 1)), u32(i)));
    }
    if SOURCE != 0u {
        v = v * s.x + s.y;
    }
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) & inside);
}

fn x_patch(s: vec2<f32>, p: Spots, plane: u32) -> Patch {
    let at = p.at + i32(plane);
    return Patch(
        x_row(s, at.x, p.in0), x_row(s, at.y, p.in1), x_row(s, at.z, p.in2), x_row(s, at.w, p.in3)
    );
}

// The gradient of nine taps, on by a quad's four pixels d.
fn taps_add(t: Taps, d: vec4<f32>, p: Patch) -> Taps {
    var a = t.a + d.x * vec4<f32>(p.r0.xyz, p.r1.x);
    var b = t.b + d.x * vec4<f32>(p.r1.yz, p.r2.xy);
    var c = t.c + d.x * p.r2.z;
    a += d.y * vec4<f32>(p.r0.yzw, p.r1.y);
    b += d.y * vec4<f32>(p.r1.zw, p.r2.yz);
    c += d.y * p.r2.w;
    a += d.z * vec4<f32>(p.r1.xyz, p.r2.x);
    b += d.z * vec4<f32>(p.r2.yz, p.r3.xy);
    c += d.z * p.r3.z;
    a += d.w * vec4<f32>(p.r1.yzw, p.r2.y);
    b += d.w * vec4<f32>(p.r2.zw, p.r3.yz);
    c += d.w * p.r3.w;
    return Taps(a, b, c);
}

// The taps of 16 output channels by the lane's input channel.
struct Filters {
    t0: Taps,
    t1: Taps,
    t2: Taps,
    t3: Taps,
    t4: Taps,
    t5: Taps,
    t6: Taps,
    t7: Taps,
    t8: Taps,
    t9: Taps,
    t10: Taps,
    t11: Taps,
    t12: Taps,
    t13: Taps,
    t14: Taps,
    t15: Taps,
}

fn one_of(a: Taps, b: Taps, second: bool) -> Taps {
    return Taps(select(a.a, b.a, second), select(a.b, b.b, second), select(a.c, b.c, second));
}

// Filter i. By selects, as in rows_row.
fn filters_row(t: ptr<function, Filters>, i: u32) -> Taps {
    let b0 = (i & 1u) == 1u;
    let b1 = (i & 2u) == 2u;
    let b2 = (i & 4u) == 4u;
    let q0 = one_of(one_of((*t).t0, (*t).t1, b0), one_of((*t).t2, (*t).t3, b0), b1);
    let q1 = one_of(one_of((*t).t4, (*t).t5, b0), one_of((*t).t6, (*t).t7, b0), b1);
    let q2 = one_of(one_of((*t).t8, (*t).t9, b0), one_of((*t).t10, (*t).t11, b0), b1);
    let q3 = one_of(one_of((*t).t12, (*t).t13, b0), one_of((*t).t14, (*t).t15, b0), b1);
    return one_of(one_of(q0, q1, b2), one_of(q2, q3, b2), i >= 8u);
}

// Two elements of dy from element i on, an even one.
fn dy_pair(i: u32) -> vec2<f32> {
    let v = dy4(i >> 2u);
    return select(v.xy, v.zw, (i & 2u) == 2u);
}
