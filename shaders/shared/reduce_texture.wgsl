// As reduce_buffer, where textures are read: on devices whose subgroups have 8 lanes, invocations 8 n to 8 n + 7 one of them. The
// lanes of each sum up by a fixed butterfly, then all do the eight sums: one word an invocation through workgroup memory.
var<workgroup> sh_sum: array<vec4<f32>, 8>;
var<workgroup> sh_total: array<f32, 8>;

fn over_eight4(v: vec4<f32>) -> vec4<f32> {
    var sum = v;
    sum += subgroupShuffleXor(sum, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    sum += subgroupShuffleXor(sum, 4u);
    return sum;
}

fn over_eight(v: f32) -> f32 {
    var sum = v;
    sum += subgroupShuffleXor(sum, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    sum += subgroupShuffleXor(sum, 4u);
    return sum;
}

fn workgroup_sum(i: u32, v: vec4<f32>) -> vec4<f32> {
    let eighth = over_eight4(v);
    if (i & 7u) == 0u {
        sh_sum[i >> 3u] = eighth;
    }
    workgroupBarrier();
    let sum = over_eight4(sh_sum[i & 7u]);
    workgroupBarrier(); // the next call must not overwrite sh_sum before all have read it
    return sum;
}

fn workgroup_total(i: u32, v: f32) -> f32 {
    let eighth = over_eight(v);
    if (i & 7u) == 0u {
        sh_total[i >> 3u] = eighth;
    }
    workgroupBarrier();
    let total = over_eight(sh_total[i & 7u]);
    workgroupBarrier();
    return total;
}

fn workgroup_sum2(i: u32, v: vec2<f32>) -> vec2<f32> {
    return workgroup_sum(i, vec4<f32>(v, 0.0, 0.0)).xy;
}
