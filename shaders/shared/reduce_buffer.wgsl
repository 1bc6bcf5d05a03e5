// Sums over the 64 invocations of a workgroup in a fixed order: the same bits every time. Eight of them add up eight each, then
// all add up the eight: two barriers, where a tree has six. Every invocation of the workgroup must call it.
var<workgroup> sh_sum: array<vec4<f32>, 72>;
var<workgroup> sh_total: array<f32, 72>;

fn workgroup_sum(i: u32, v: vec4<f32>) -> vec4<f32> {
    sh_sum[i] = v;
    workgroupBarrier();
    if i < 8u {
        sh_sum[64u + i] = ((sh_sum[i] + sh_sum[i + 8u]) + (sh_sum[i + 16u] + sh_sum[i + 24u]))
            + ((sh_sum[i + 32u] + sh_sum[i + 40u]) + (sh_sum[i + 48u] + sh_sum[i + 56u]));
    }
    workgroupBarrier();
    let sum = ((sh_sum[64] + sh_sum[65]) + (sh_sum[66] + sh_sum[67]))
        + ((sh_sum[68] + sh_sum[69]) + (sh_sum[70] + sh_sum[71]));
    workgroupBarrier(); // the next call must not overwrite sh_sum before all have read it
    return sum;
}

// The same for one number: a quarter of the workgroup memory's traffic.
fn workgroup_total(i: u32, v: f32) -> f32 {
    sh_total[i] = v;
    workgroupBarrier();
    if i < 8u {
        sh_total[64u + i] = ((sh_total[i] + sh_total[i + 8u]) + (sh_total[i + 16u] + sh_total[i + 24u]))
            + ((sh_total[i + 32u] + sh_total[i + 40u]) + (sh_total[i + 48u] + sh_total[i + 56u]));
    }
    workgroupBarrier();
    let total = ((sh_total[64] + sh_total[65]) + (sh_total[66] + sh_total[67]))
        + ((sh_total[68] + sh_total[69]) + (sh_total[70] + sh_total[71]));
    workgroupBarrier();
    return total;
}
