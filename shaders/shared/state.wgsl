// The run as the GPU sees it, one State per replica: written by tick, read as a uniform everywhere else.
// Twin of src/layout.rs State; 32 words so that the array stride is legal in a uniform.
const MAX_REPLICAS = 128u;
const NO_ROW = 0xffffffffu; // an order entry that stands for "no sample" (padding of a last batch)

struct State {
    // where the run is
    step: u32,        // index of the step under way
    steps: u32,       // length of the schedule
    running: u32,     // 0 once stopped: updates and history are frozen
    stop_reason: u32, // 0 none, 1 non-finite loss, 2 non-finite gradient, 3 diverged
    stop_step: u32,
    // where its data is
    order_base: u32,    // first entry of this replica's batch order
    schedule_base: u32, // first row of this replica's schedule
    rng_step: u32,      // micro-batches seen in the model's life: keys dropout
    seed: u32,
    scale: f32, // x = raw * scale + shift, for a dataset
    shift: f32,
    // the curve so far
    beta: f32,   // EWA coefficient
    ewa: f32,    // without bias correction
    best: f32,   // lowest smoothed loss
    first: f32,  // median of the first losses
    lowest: f32, // lowest median of five
    noise: f32,  // mean |loss[t] - loss[t-1]| over the first steps
    last: f32,   // latest raw loss
    // when to stop
    stop_rule: u32, // 0 only non-finite, 1 smoothed > factor * best, 2 gave back its fall, 3 never
    stop_factor: f32,
    max_norm: f32, // clip the gradient to this norm; 0 never
    // this step's update, copied from the schedule
    lr: f32,
    momentum: f32, // SGD momentum, Adam beta1
    weight_decay: f32,
    correction1: f32, // 1 - beta1^t
    correction2: f32, // 1 - beta2^t
    clip: f32,        // factor on the gradient
    period: u32,    // steps after which the model is put back to where the run began; 0 never
    batch: u32,     // index of the micro-batch under way, over all steps: a step is of one or more
    pad2: u32,
    pad3: u32,
    pad4: u32,
}
