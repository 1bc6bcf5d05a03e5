// The optimizers' formulas for four parameters, in PyTorch's order of operations: how much a step takes off p, and what it
// remembers. `raw` is the gradient before clipping, k what the rate and the decay are multiplied by.
//   sgd   g = clip raw + wd p;  m = mu m + g;  by = lr (nesterov ? g + mu m : m)
//   adam  g = clip raw + wd p, or decayed = lr wd p apart from it where decoupled (AdamW);
//         m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  by = lr / c1 * m / (sqrt(v / c2) + eps)
// lr, mu or b1, wd, clip, c1 and c2 are this step's, put into state by tick. The importer declares state, and dims with
// beta2, eps, nesterov and decoupled. Where all is zero it stays zero: padding.

// What is the same for all parameters. Taken once: a CPU driver loads a uniform anew each time.
struct Rule {
    lr: f32,
    momentum: f32,
    decay: f32,
    clip: f32,
    rate: f32, // Adam's lr / c1
    root: f32, // and sqrt(c2)
    beta2: f32,
    eps: f32,
    nesterov: bool,
    decoupled: bool,
}

struct Stepped {
    by: vec4<f32>,
    decayed: vec4<f32>,
    m: vec4<f32>,
    v: vec4<f32>,
}

fn rule_of(r: u32) -> Rule {
    return Rule(
        state[r].lr, state[r].momentum, state[r].weight_decay, state[r].clip, state[r].lr / state[r].correction1,
        sqrt(state[r].correction2), dims.beta2, dims.eps, dims.nesterov == 1u, dims.decoupled == 1u
    );
}

fn sgd_step(rule: Rule, k: vec2<f32>, p: vec4<f32>, raw: vec4<f32>, old: vec4<f32>) -> Stepped {
    let g = rule.clip * raw + (rule.decay * k.y) * p;
    let m = rule.momentum * old + g;
    let by = (rule.lr * k.x) * select(m, g + rule.momentum * m, rule.nesterov);
    return Stepped(by, vec4<f32>(), m, vec4<f32>());
}

fn adam_step(
    rule: Rule, k: vec2<f32>, p: vec4<f32>, raw: vec4<f32>, old_m: vec4<f32>, old_v: vec4<f32>
) -> Stepped {
    let decay = rule.decay * k.y;
    var g = rule.clip * raw;
    var decayed = vec4<f32>();
    if rule.decoupled {
        decayed = (rule.lr * k.x) * decay * p;
    } else {
        g += decay * p;
    }
    let m = rule.momentum * old_m + (1.0 - rule.momentum) * g;
    let v = rule.beta2 * old_v + (1.0 - rule.beta2) * g * g;
    return Stepped((rule.rate * k.x) * m / (sqrt(v) / rule.root + rule.eps), decayed, m, v);
}
