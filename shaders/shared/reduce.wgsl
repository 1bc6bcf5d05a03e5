// Sum over the 64 invocations of a workgroup in a fixed tree: the same bits every time. Every invocation of the
// workgroup must call it.
var<workgroup> sh_sum: array<vec4<f32>, 64>;
var<workgroup> sh_total: array<f32, 64>;

fn workgroup_sum(i: u32, v: vec4<f32>) -> vec4<f32> {
    sh_sum[i] = v;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half >> 1u) {
        if i < half {
            sh_sum[i] += sh_sum[i + half];
        }
        workgroupBarrier();
    }
    let sum = sh_sum[0];
    workgroupBarrier(); // the next call must not overwrite sh_sum before all have read it
    return sum;
}

// The same for one number: a quarter of the workgroup memory's traffic.
fn workgroup_total(i: u32, v: f32) -> f32 {
    sh_total[i] = v;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half >> 1u) {
        if i < half {
            sh_total[i] += sh_total[i + half];
        }
        workgroupBarrier();
    }
    let total = sh_total[0];
    workgroupBarrier();
    return total;
}
