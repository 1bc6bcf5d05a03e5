// Four consecutive words that start at any word, where operands are read in vectors of four: one load at a multiple of
// four, two elsewhere. A tensor is followed by its padding, so that the vector behind its last word can be read. The importer
// imports load, pick and source4.

// Words part to part + 3 of the eight in lo and hi; part is 1, 2 or 3.
fn joined(lo: vec4<u32>, hi: vec4<u32>, part: u32) -> vec4<u32> {
    let three = vec4<u32>(lo.w, hi.xyz);
    return select(select(three, vec4<u32>(lo.zw, hi.xy), part == 2u), vec4<u32>(lo.yzw, hi.x), part == 1u);
}

fn x_quad(i: u32) -> vec4<u32> {
    let lo = x4(i >> 2u);
    if (i & 3u) == 0u {
        return lo;
    }
    return joined(lo, x4((i >> 2u) + 1u), i & 3u);
}

fn w_quad(i: u32) -> vec4<f32> {
    let lo = w4(i >> 2u);
    if (i & 3u) == 0u {
        return lo;
    }
    return bitcast<vec4<f32>>(joined(bitcast<vec4<u32>>(lo), bitcast<vec4<u32>>(w4((i >> 2u) + 1u)), i & 3u));
}

fn dy_quad(i: u32) -> vec4<f32> {
    let lo = dy4(i >> 2u);
    if (i & 3u) == 0u {
        return lo;
    }
    return bitcast<vec4<f32>>(joined(bitcast<vec4<u32>>(lo), bitcast<vec4<u32>>(dy4((i >> 2u) + 1u)), i & 3u));
}

// Of the layer's input, by the index of the first element.
fn source_quad(s: vec2<f32>, i: u32) -> vec4<f32> {
    if SOURCE == 2u {
        let at = i >> 2u;
        let shift = 8u * (i & 3u);
        var word = pick(x4(at >> 2u), at);
        if shift != 0u {
            word = (word >> shift) | (pick(x4((at + 1u) >> 2u), at + 1u) << (32u - shift));
        }
        return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xffu)) * s.x + s.y;
    }
    let v = bitcast<vec4<f32>>(x_quad(i));
    if SOURCE == 1u {
        return v * s.x + s.y;
    }
    return v;
}
