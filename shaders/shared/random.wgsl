// Counter-based random numbers: pcg4d of Jarzynski & Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
// The key is (seed, step, layer, element), so a value never depends on the order of execution.
fn random(seed: u32, step: u32, layer: u32, element: u32) -> f32 {
    var v = vec4<u32>(element, layer, step, seed) * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v = v ^ (v >> vec4<u32>(16u));
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return f32(v.x >> 8u) * (1.0 / 16777216.0); // 24 bits: uniform in [0, 1)
}
