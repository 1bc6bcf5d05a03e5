// 1 where v is NaN or infinite, else 0. By its bits: implementations may assume that floats are finite.
fn not_finite(v: f32) -> f32 {
    return select(0.0, 1.0, (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u);
}
