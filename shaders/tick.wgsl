// End of a step's backward pass: what was this loss, does the run go on, and with which hyperparameters.
//   loss = mean of rows;  ewa = beta ewa + (1 - beta) loss;  smoothed = ewa / (1 - beta^(t+1))
//   history[t] = (lr, loss, smoothed, accuracy, |g|, momentum, flags);  state <- schedule[t];  t += 1
// The loss is that before update t, the rate the one that update t uses. A stop at t keeps update t from happening.
// The gradient norm comes from the partial sums in norms: of this step where they are computed before the update
// (clipping), else of the step before, written by its update and filed one row late (dims.norm_lag).
// With dims.flush 1, once after the last step: files the last norm, nothing else.
// A step of several micro-batches has a tick for each. All but the last (dims.micro 1) leave the sums of their rows in the
// step's record, which counts as no step yet; the last takes them up, and is the tick described above.
// Launch: one workgroup of 64, or of 8 where textures are read; z the replica.
#import state
#import reduce
#import team
#import finite

struct Dims {
    b: u32,
    norms: u32, // partial sums of one replica
    rr: u32,    // words from one replica to the next: rows
    replicas: u32,
    has_accuracy: u32,
    norm_lag: u32,
    has_norm: u32,
    flush: u32,
    batches: u32, // micro-batches of a step
    micro: u32,
}

struct Hyper {
    lr: f32,
    momentum: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
    ewa_correction: f32, // 1 / (1 - beta^(t+1)), from the host in f64
    pad0: f32,
    pad1: f32,
}

struct Record {
    lr: f32,
    loss: f32,
    smoothed: f32,
    accuracy: f32,  // -1: none
    grad_norm: f32, // -1: none
    momentum: f32,
    flags: u32, // 1 the step ran; 2 and it stopped the run
    count: u32, // rows in the batch
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> states: array<State>;
@group(0) @binding(2) var<storage, read> rows: array<vec2<f32>>; // (B): loss, right
@group(0) @binding(3) var<storage, read> norms: array<f32>;      // (partial sums of squares, replicas)
@group(0) @binding(4) var<storage, read> schedule: array<Hyper>; // (replicas, steps)
@group(0) @binding(5) var<storage, read_write> history: array<Record>; // (replicas, steps)

fn median5(a: f32, b: f32, c: f32, d: f32, e: f32) -> f32 {
    let low = max(min(a, b), min(c, d));
    let high = min(max(a, b), max(c, d));
    return max(min(low, high), min(max(low, high), e));
}

// Does the loss at step t end the run? Updates what the rules remember.
fn diverged(s: ptr<function, State>, t: u32, loss: f32, smoothed: f32) -> bool {
    // fastai's rule: the smoothed loss against its own best. Only for losses above zero.
    (*s).best = select(min((*s).best, smoothed), smoothed, t == 0u);
    if (*s).stop_rule == 1u {
        return smoothed > (*s).stop_factor * (*s).best;
    }
    // Ours: the median of the last five losses has given back more than stop_factor of the largest fall so far (or has
    // risen by as much of eight times the batch noise, where nothing fell). Scale, sign and offset of the loss cancel.
    if t > 0u && t <= 10u {
        (*s).noise += (abs(loss - (*s).last) - (*s).noise) / f32(t);
    }
    (*s).last = loss;
    if t < 4u {
        return false;
    }
    let at = (*s).schedule_base + t;
    let m = median5(
        loss, history[at - 1u].loss, history[at - 2u].loss, history[at - 3u].loss, history[at - 4u].loss
    );
    if t == 4u {
        (*s).first = m;
        (*s).lowest = m;
    }
    (*s).lowest = min((*s).lowest, m);
    let scale = max((*s).first - (*s).lowest, 8.0 * (*s).noise);
    return (*s).stop_rule == 2u && t >= 10u && m > (*s).lowest + (*s).stop_factor * scale;
}

// Files what step t measured, and goes on to the next or stops.
fn end_step(s: ptr<function, State>, at: u32, sums: vec4<f32>, norm: f32) {
    let t = (*s).step;
    let loss = sums.x / sums.z;
    let hyper = schedule[at];
    (*s).ewa = (*s).beta * (*s).ewa + (1.0 - (*s).beta) * loss;
    let smoothed = (*s).ewa * hyper.ewa_correction;
    let has_norm = dims.has_norm == 1u && dims.norm_lag == 0u;

    // A late norm is that of an update already made, unless the model has been put back since.
    let kept = t > 0u && !((*s).period > 0u && t % (*s).period == 0u);
    let known = has_norm || (dims.norm_lag == 1u && kept);
    if (*s).stop_rule == 3u {
        (*s).stop_reason = 0u;
    } else if sums.w > 0.0 || not_finite(loss) > 0.0 {
        (*s).stop_reason = 1u;
    } else if known && not_finite(norm) > 0.0 {
        (*s).stop_reason = 2u;
    } else if diverged(s, t, loss, smoothed) {
        (*s).stop_reason = 3u;
    }
    let stops = (*s).stop_reason != 0u;
    history[at] = Record(
        hyper.lr, loss, smoothed, select(-1.0, sums.y / sums.z, dims.has_accuracy == 1u),
        select(-1.0, norm, has_norm), hyper.momentum, select(1u, 3u, stops), u32(sums.z)
    );
    if stops {
        (*s).running = 0u;
        (*s).stop_step = t;
        return;
    }

    (*s).lr = hyper.lr;
    (*s).momentum = hyper.momentum;
    (*s).weight_decay = hyper.weight_decay;
    (*s).correction1 = hyper.correction1;
    (*s).correction2 = hyper.correction2;
    (*s).clip = 1.0;
    if (*s).max_norm > 0.0 && has_norm {
        (*s).clip = min(1.0, (*s).max_norm / (norm + 1e-6));
    }
    (*s).step = t + 1u;
    (*s).batch += 1u;
    (*s).rng_step += 1u;
    if (*s).period > 0u && (*s).step % (*s).period == 0u {
        (*s).rng_step -= (*s).period * dims.batches; // the next probe draws what this one drew
    }
}

@compute @workgroup_size(TEAM)
fn tick(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
    let r = wid.z;
    var sums = vec4<f32>(); // loss, right, rows, losses that are not finite
    for (var b = lid.x; b < dims.b; b += TEAM) {
        let row = rows[r * dims.rr / 2u + b];
        if row.y >= 0.0 {
            sums += vec4<f32>(row.x, row.y, 1.0, not_finite(row.x));
        }
    }
    sums = team_sum(lid.x, sums);
    var squares = 0.0;
    for (var i = lid.x; i < dims.norms; i += TEAM) {
        squares += norms[i * dims.replicas + r];
    }
    squares = team_total(lid.x, squares);
    if lid.x != 0u {
        return;
    }

    var s = states[r];
    let t = s.step;
    let at = s.schedule_base + t;
    let norm = sqrt(squares);
    if s.running == 0u {
        return;
    }
    if dims.norm_lag == 1u && t > 0u {
        history[at - 1u].grad_norm = norm;
    }
    if dims.flush == 1u || t >= s.steps {
        return;
    }

    if dims.batches > 1u {
        let record = history[at]; // zero before the step's first micro-batch
        sums += vec4<f32>(record.loss, record.accuracy, f32(record.count), record.smoothed);
    }
    if dims.micro == 1u {
        history[at].loss = sums.x;
        history[at].accuracy = sums.y;
        history[at].count = u32(sums.z);
        history[at].smoothed = sums.w;
        s.batch += 1u;
        s.rng_step += 1u;
    } else {
        end_step(&s, at, sums, norm);
    }
    states[r] = s; // the one store of all its words: a CPU driver takes milliseconds to compile each
}
