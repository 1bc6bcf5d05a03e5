// Sums over the 64 invocations of a workgroup in a fixed order: the same bits every time. Eight of them add up eight each, then
// all add up the eight: two barriers, where a tree has six. Every invocation of the workgroup must call it.
// The numbers of a vector take turns: a browser sets workgroup memory to zero first, and SwiftShader compiles the longer, the
// more words it has. With one vec4 an invocation tick took it twice as long.
var<workgroup> sh_total: array<f32, 64>;

fn workgroup_total(i: u32, v: f32) -> f32 {
    sh_total[i] = v;
    workgroupBarrier();
    if i < 8u {
        sh_total[i] = ((sh_total[i] + sh_total[i + 8u]) + (sh_total[i + 16u] + sh_total[i + 24u]))
            + ((sh_total[i + 32u] + sh_total[i + 40u]) + (sh_total[i + 48u] + sh_total[i + 56u]));
    }
    workgroupBarrier();
    let total = ((sh_total[0] + sh_total[1]) + (sh_total[2] + sh_total[3]))
        + ((sh_total[4] + sh_total[5]) + (sh_total[6] + sh_total[7]));
    workgroupBarrier(); // the next call must not overwrite sh_total before all have read it
    return total;
}

fn workgroup_sum2(i: u32, v: vec2<f32>) -> vec2<f32> {
    var sum: vec2<f32>;
    for (var c = 0u; c < 2u; c++) {
        sum[c] = workgroup_total(i, v[c]);
    }
    return sum;
}

fn workgroup_sum(i: u32, v: vec4<f32>) -> vec4<f32> {
    var sum: vec4<f32>;
    for (var c = 0u; c < 4u; c++) {
        sum[c] = workgroup_total(i, v[c]);
    }
    return sum;
}
