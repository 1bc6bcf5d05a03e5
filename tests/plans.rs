//! The printed plans of three small models: a refactor that changes no plan is proven harmless.

use rangefinder::{Adam, Graph, Loss, Optimizer, Options, Profile, Sequential, Sgd, compile};

/// Compares line by line, without spaces at the ends; on a mismatch the panic holds the new text, to be pasted.
#[track_caller]
fn assert_plan(model: Graph, optimizer: impl Into<Optimizer>, options: Options, expected: &str) {
    let plan = compile(&model, Loss::CrossEntropy, &optimizer.into(), &options).unwrap();
    let found = lines(&format!("{plan:#}"));
    let expected = lines(expected);
    if found == expected {
        return;
    }
    let first =
        found.iter().zip(&expected).position(|(f, e)| f != e).unwrap_or(found.len().min(expected.len()));
    panic!("the plan differs from line {} on; if it should, it is now:\n{}", first + 1, found.join("\n"));
}

fn lines(text: &str) -> Vec<String> {
    text.trim().lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn of_an_mlp() {
    let model = Sequential::features(20).linear(32).relu().linear(16).relu().linear(5).build().unwrap();
    assert_plan(model, Sgd::momentum(0.9), Options::batch(16), MLP);
}

/// The same model for a driver that reads textures faster: other kernels, and mirrors to keep up to date.
#[test]
fn of_an_mlp_that_is_mirrored() {
    let model = Sequential::features(24).linear(32).relu().linear(16).relu().linear(5).build().unwrap();
    assert_plan(model, Sgd::momentum(0.9), Options::batch(16).profile(Profile::Mirrored), MIRRORED_MLP);
}

/// Texel by texel a large activation would take longer than its copy.
#[test]
fn large_activations_are_copied_to_their_mirrors() {
    let plan = |width| {
        let model = Sequential::features(20).linear(width).relu().linear(4).build().unwrap();
        let options = Options::batch(256).profile(Profile::Mirrored);
        format!("{:#}", compile(&model, Loss::CrossEntropy, &Sgd::momentum(0.9).into(), &options).unwrap())
    };
    assert_eq!(plan(512).matches("y=mirror of acts0[0+131072]").count(), 2, "of a step and an evaluation");
    assert!(plan(512).lines().all(|l| !l.contains("mirrored first: acts0[0+131072]")));
    assert!(!plan(516).contains("y=mirror of"));
    assert_eq!(plan(516).matches("mirrored first: acts0[0+132096]").count(), 2);
}

/// With accumulation: what carries a micro-batch into the next, and one slice more of each gradient.
#[test]
fn of_a_linear_layer_that_accumulates() {
    let model = Sequential::features(20).linear(4).build().unwrap();
    let options = Options::batch(16).accumulate(4).profile(Profile::Mirrored);
    assert_plan(model, Sgd::momentum(0.9), options, ACCUMULATED);
}

/// For a GPU: tiles in workgroup memory, and more slices.
#[test]
fn of_a_cnn_that_is_tiled() {
    let features = Sequential::image(1, 8, 8).conv2d(6, 3).relu().max_pool(2).conv2d(40, 3).relu();
    let model = features.flatten().linear(10).build().unwrap();
    assert_plan(model, Sgd::momentum(0.9), Options::batch(64).profile(Profile::Tiled), TILED_CNN);
}

#[test]
fn of_a_cnn_with_batch_norm() {
    let features = Sequential::image(1, 8, 8).conv2d(6, 3).batch_norm().relu().max_pool(2).dropout(0.25);
    let model = features.flatten().linear(10).build().unwrap();
    assert_plan(model, Adam::default(), Options::batch(16).clip(1.0), CNN);
}

#[test]
fn of_a_residual_network_with_replicas() {
    let features = Sequential::image(3, 8, 8).conv2d(8, 3).relu();
    let features = features.residual(|f| f.conv2d(8, 3).relu().conv2d(8, 3)).relu().avg_pool(8);
    let model = features.flatten().linear(10).build().unwrap();
    assert_plan(model, Adam::w(0.01), Options::batch(16).replicas(3), RESIDUAL);
}

const MLP: &str = "
20 -> 5, cross_entropy, SGD momentum 0.9, batch 16
one step: 11 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  linear                      1x1x1   20.48 k    4.74 k  linear 1: 20 -> 32 + relu
     state=state order=order x=inputs w=params[0+640] bias=params[640+32] y=acts0[0+512] residual=order
  1  linear                      1x1x1   16.38 k    5.18 k  linear 3: 32 -> 16 + relu
     state=state order=order x=acts0[0+512] w=params[704+512] bias=params[1216+16] y=acts1[0+256] residual=order
  2  linear                      1x1x1    2.56 k    1.68 k  linear 5: 16 -> 5
     state=state order=order x=acts1[0+256] w=params[1280+80] bias=params[1408+5] y=acts0[512+80] residual=order
  3  cross_entropy               1x1x1      400       768   loss and its gradient, 5 classes
     state=state order=order labels=targets z=acts0[512+80] dz=acts1[256+80] rows=acts1[384+32]
  4  linear_dw                   1x1x8    2.56 k    7.49 k  linear 5: 16 -> 5, 8 slices
     state=state order=order x=acts1[0+256] dy=acts1[256+80] dw=grads[0+1024] dbias=grads[1024+512]
  5  linear_dx                   1x1x1    2.56 k    2.69 k  linear 5: 16 -> 5, through relu
     x=acts1[0+256] w=params[1280+80] dy=acts1[256+80] dx=acts0[512+256]
  6  linear_dw                   1x1x8   16.38 k   21.50 k  linear 3: 32 -> 16, 8 slices
     state=state order=order x=acts0[0+512] dy=acts0[512+256] dw=grads[1536+4096] dbias=grads[5632+512]
  7  linear_dx                   1x1x1   16.38 k    7.17 k  linear 3: 32 -> 16, through relu
     x=acts0[0+512] w=params[704+512] dy=acts0[512+256] dx=acts1[448+512]
  8  linear_dw                   1x1x8   20.48 k   24.58 k  linear 1: 20 -> 32, 8 slices
     state=state order=order x=inputs dy=acts1[448+512] dw=grads[6144+5120] dbias=grads[11264+512]
  9  tick                        1x1x1       36       384   mean loss, stop test, history
     states=state rows=acts1[384+32] norms=norms schedule=schedule history=history
 10  sgd                         2x1x1   17.66 k   71.28 k  SGD momentum 0.9
     state=state blocks=blocks grads=grads[0+11776] params=params[0+1472] moments=moments norms=norms

one batch of an evaluation: 5 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  linear                      1x1x1   20.48 k    4.74 k  linear 1: 20 -> 32 + relu
     state=state order=order x=inputs w=params[0+640] bias=params[640+32] y=acts0[0+512] residual=order
  1  linear                      1x1x1   16.38 k    5.18 k  linear 3: 32 -> 16 + relu
     state=state order=order x=acts0[0+512] w=params[704+512] bias=params[1216+16] y=acts1[0+256] residual=order
  2  linear                      1x1x1    2.56 k    1.68 k  linear 5: 16 -> 5
     state=state order=order x=acts1[0+256] w=params[1280+80] bias=params[1408+5] y=acts0[0+80] residual=order
  3  cross_entropy               1x1x1      400       768   loss and its gradient, 5 classes
     state=state order=order labels=targets z=acts0[0+80] dz=acts1[0+80] rows=acts1[128+32]
  4  tick                        1x1x1       32       384   mean loss, stop test, history
     states=state rows=acts1[128+32] norms=norms schedule=schedule history=history

115.89 kFLOP and 147.46 kB a step; 1285 parameters
memory: params 5.89 kB, moments 5.89 kB, buffers 0 B, grads 47.10 kB, norms 256 B, blocks 512 B, acts0 3.07 kB, acts1 3.84 kB = 66.56 kB
";

const ACCUMULATED: &str = "
20 -> 4, cross_entropy, SGD momentum 0.9, batch 16 x 4
one step of 4 micro-batches: 16 dispatches; of the last one: 4
  #  kernel                 workgroups      FLOP     bytes  layer
  0  linear_cross_entropy          1x1x1    2.88 k      720   linear 1: 20 -> 4 + cross_entropy, and its gradient
     state=state order=order x=inputs w=params[0+192] labels=targets dz=mirror of acts0[0+64] rows=acts0[4096+32]
     mirrored first: params[0+192]
  1  linear_dw_broadcast          1x1x1    2.56 k    1.02 k  linear 1: 20 -> 4
     state=state order=order x=inputs dy=acts0[0+64] dw=grads[0+128] dbias=grads[256+64]
  2  tick                        1x1x1       34       384   mean loss, stop test, history
     states=state rows=acts0[4096+32] norms=norms schedule=schedule history=history
  3  sgd                         1x1x1    2.30 k    4.91 k  SGD momentum 0.9
     state=state blocks=blocks grads=grads[0+384] params=params[0+192] moments=moments norms=norms params_mirror=params[0+192] moments_mirror=moments
     mirrored first: grads[0+384] moments

the others: the first 2 of these, then
  #  kernel                 workgroups      FLOP     bytes  layer
  0  accumulate                  1x1x1      384     3.12 k  the step's gradient so far
     state=state blocks=blocks grads=grads[0+384] grads_mirror=grads[0+384]
     mirrored first: grads[0+384]
  1  tick                        1x1x1       32       384   sum of the losses so far
     states=state rows=acts0[4096+32] norms=norms schedule=schedule history=history

one batch of an evaluation: 3 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  linear_broadcast            1x1x1    2.56 k      592   linear 1: 20 -> 4
     state=state order=order x=inputs w=params[0+192] y=acts0[0+64] residual=order
     mirrored first: params[0+192]
  1  cross_entropy               1x1x1      320       640   loss and its gradient, 4 classes
     state=state order=order labels=targets z=acts0[0+64] dz=acts1[0+64] rows=acts1[4096+32]
  2  tick                        1x1x1       32       384   mean loss, stop test, history
     states=state rows=acts1[4096+32] norms=norms schedule=schedule history=history

25.35 kFLOP and 22.78 kB a step; 84 parameters
memory: params 16.38 kB, moments 16.38 kB, buffers 0 B, grads 16.38 kB, norms 16.38 kB, blocks 16.38 kB, acts0 32.77 kB, acts1 32.77 kB = 147.46 kB
";

const CNN: &str = "
1x8x8 -> 10, cross_entropy, Adam, batch 16
one step: 13 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  conv2d                     16x1x1  110.59 k   24.82 k  conv2d 1: 1x8x8 -> 6x8x8
     state=state order=order x=inputs w=params[0+54] bias=params[64+6] y=acts0[0+6144] residual=order
  1  batch_norm_pool             6x1x1   49.15 k   30.86 k  batch_norm 2: 6x8x8 -> 6x8x8 + relu + max_pool
     state=state x=acts0[0+6144] gamma=params[128+6] beta=params[192+6] y=acts1[0+1536] saved=acts1[1536+12] running=buffers[0+12]
  2  dropout                    24x1x1    1.54 k   12.29 k  dropout 5: 6x4x4 -> 6x4x4
     state=state x=acts1[0+1536] y=acts0[6144+1536]
  3  linear                      1x1x1   30.72 k   10.66 k  linear 7: 96 -> 10
     state=state order=order x=acts0[6144+1536] w=params[256+960] bias=params[1216+10] y=acts1[0+160] residual=order
  4  cross_entropy               1x1x1      800     1.41 k  loss and its gradient, 10 classes
     state=state order=order labels=targets z=acts1[0+160] dz=acts0[7680+160] rows=acts0[7872+32]
  5  linear_dw                   2x1x4   30.72 k   23.17 k  linear 7: 96 -> 10, 4 slices
     state=state order=order x=acts0[6144+1536] dy=acts0[7680+160] dw=grads[0+3840] dbias=grads[3840+256]
  6  linear_dx                   2x1x1   30.72 k   10.62 k  linear 7: 96 -> 10
     x=acts0[7680+160] w=params[256+960] dy=acts0[7680+160] dx=acts1[0+1536]
  7  dropout_dx                 24x1x1    1.54 k   12.29 k  dropout 5: 6x4x4 -> 6x4x4
     state=state x=acts1[0+1536] dy=acts1[0+1536] dx=acts0[6144+1536]
  8  batch_norm_pool_dx          6x1x1   61.44 k   55.90 k  batch_norm 2: 6x8x8 -> 6x8x8, behind relu + max_pool
     x=acts0[0+6144] gamma=params[128+6] beta=params[192+6] stats=acts1[1536+12] dy=acts0[6144+1536] dx=acts2[0+6144] dgamma=grads[4096+64] dbeta=grads[4160+64]
  9  conv2d_dw                   1x1x8  110.59 k   28.67 k  conv2d 1: 1x8x8 -> 6x8x8, 8 slices
     state=state order=order x=inputs dy=acts2[0+6144] dw=grads[4224+512] dbias=grads[4736+512]
 10  grad_norm                   2x1x1    2.56 k   21.57 k  norm of the gradient
     blocks=blocks grads=grads[0+5248] norms=norms
 11  tick                        1x1x1       36       384   mean loss, stop test, history
     states=state rows=acts0[7872+32] norms=norms schedule=schedule history=history
 12  adam                        2x1x1   23.04 k   52.29 k  Adam
     state=state blocks=blocks grads=grads[0+5248] params=params[0+1280] moments=moments norms=norms

one batch of an evaluation: 5 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  conv2d                     16x1x1  110.59 k   24.82 k  conv2d 1: 1x8x8 -> 6x8x8
     state=state order=order x=inputs w=params[0+54] bias=params[64+6] y=acts0[0+6144] residual=order
  1  batch_norm_pool_eval         24x1x1   24.58 k   30.82 k  batch_norm 2: 6x8x8 -> 6x8x8 + relu + max_pool
     x=acts0[0+6144] gamma=params[128+6] beta=params[192+6] y=acts1[0+1536] stats=buffers[0+12]
  2  linear                      1x1x1   30.72 k   10.66 k  linear 7: 96 -> 10
     state=state order=order x=acts1[0+1536] w=params[256+960] bias=params[1216+10] y=acts0[0+160] residual=order
  3  cross_entropy               1x1x1      800     1.41 k  loss and its gradient, 10 classes
     state=state order=order labels=targets z=acts0[0+160] dz=acts1[0+160] rows=acts1[192+32]
  4  tick                        1x1x1       32       384   mean loss, stop test, history
     states=state rows=acts1[192+32] norms=norms schedule=schedule history=history

453.44 kFLOP and 284.94 kB a step; 1042 parameters
memory: params 5.12 kB, moments 10.24 kB, buffers 256 B, grads 20.99 kB, norms 256 B, blocks 512 B, acts0 31.74 kB, acts1 6.40 kB, acts2 24.58 kB = 100.10 kB
";

const RESIDUAL: &str = "
3x8x8 -> 10, cross_entropy, AdamW, weight decay 0.01, batch 16, 3 replicas
one step: 17 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  conv2d                     16x1x3    1.33 M  127.87 k  conv2d 1: 3x8x8 -> 8x8x8 + relu
     state=state order=order x=inputs w=params[0+3800] bias=params[256+3592] y=acts0[0+24576] residual=order
  1  conv2d                     16x1x3    3.54 M  227.62 k  conv2d 3: 8x8x8 -> 8x8x8 + relu
     state=state order=order x=acts0[0+24576] w=params[320+4160] bias=params[896+3592] y=acts1[0+24576] residual=order
  2  conv2d                     16x1x3    3.54 M  325.92 k  conv2d 5: 8x8x8 -> 8x8x8 + add + relu
     state=state order=order x=acts1[0+24576] w=params[960+4160] bias=params[1536+3592] y=acts2[0+24576] residual=acts0[0+24576]
  3  avg_pool                    1x2x3   24.58 k   99.84 k  avg_pool 8: 8x8x8 -> 8x1x1
     x=acts2[0+24576] y=acts0[24576+384]
  4  linear                      1x1x3    7.68 k   32.74 k  linear 10: 8 -> 10
     state=state order=order x=acts0[24576+384] w=params[1600+3664] bias=params[1728+3594] y=acts1[24576+544] residual=order
  5  cross_entropy               1x1x3    2.40 k    4.99 k  loss and its gradient, 10 classes
     state=state order=order labels=targets z=acts1[24576+544] dz=acts0[24960+544] rows=acts0[25536+160]
  6  linear_dw                  1x1x24    7.68 k   22.14 k  linear 10: 8 -> 10, 8 slices
     state=state order=order x=acts0[24576+384] dy=acts0[24960+544] dw=grads[0+3072] dbias=grads[3072+1536]
  7  linear_dx                   1x1x3    7.68 k   18.37 k  linear 10: 8 -> 10
     x=acts0[24960+544] w=params[1600+3664] dy=acts0[24960+544] dx=acts1[24576+384]
  8  avg_pool_dx               1x128x3   24.58 k  198.14 k  avg_pool 8: 8x8x8 -> 8x1x1, through relu
     x=acts2[0+24576] dy=acts1[24576+384] dx=acts0[25728+24576]
  9  conv2d_dw                  2x1x12    3.54 M  227.33 k  conv2d 5: 8x8x8 -> 8x8x8, 4 slices
     state=state order=order x=acts1[0+24576] dy=acts0[25728+24576] dw=grads[4608+6912] dbias=grads[11520+768]
 10  conv2d_dx                  16x1x3    3.54 M  311.55 k  conv2d 5: 8x8x8 -> 8x8x8, through relu
     x=acts1[0+24576] w=params[960+4160] dy=acts0[25728+24576] dx=acts2[0+24576]
 11  add_dx                    128x1x3   24.58 k  294.91 k  conv2d 5: 8x8x8 -> 8x8x8, what was added, through relu
     x=acts0[0+24576] dy=acts0[25728+24576] dx=acts1[0+24576]
 12  conv2d_dw                  2x1x12    3.54 M  227.33 k  conv2d 3: 8x8x8 -> 8x8x8, 4 slices
     state=state order=order x=acts0[0+24576] dy=acts2[0+24576] dw=grads[12288+6912] dbias=grads[19200+768]
 13  conv2d_dx                  16x1x3    3.54 M  311.55 k  conv2d 3: 8x8x8 -> 8x8x8, through relu
     x=acts0[0+24576] w=params[320+4160] dy=acts2[0+24576] dx=acts1[0+24576]
 14  conv2d_dw                  1x1x24    1.33 M  129.02 k  conv2d 1: 3x8x8 -> 8x8x8, 8 slices
     state=state order=order x=inputs dy=acts1[0+24576] dw=grads[19968+6144] dbias=grads[26112+1536]
 15  tick                        1x1x3      108       896   mean loss, stop test, history
     states=state rows=acts0[25536+160] norms=norms schedule=schedule history=history
 16  adam                        2x1x3   96.77 k  240.32 k  AdamW, weight decay 0.01
     state=state blocks=blocks grads=grads[0+27648] params=params[0+5376] moments=moments norms=norms

one batch of an evaluation: 7 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  conv2d                     16x1x3    1.33 M  127.87 k  conv2d 1: 3x8x8 -> 8x8x8 + relu
     state=state order=order x=inputs w=params[0+3800] bias=params[256+3592] y=acts0[0+24576] residual=order
  1  conv2d                     16x1x3    3.54 M  227.62 k  conv2d 3: 8x8x8 -> 8x8x8 + relu
     state=state order=order x=acts0[0+24576] w=params[320+4160] bias=params[896+3592] y=acts1[0+24576] residual=order
  2  conv2d                     16x1x3    3.54 M  325.92 k  conv2d 5: 8x8x8 -> 8x8x8 + add + relu
     state=state order=order x=acts1[0+24576] w=params[960+4160] bias=params[1536+3592] y=acts2[0+24576] residual=acts0[0+24576]
  3  avg_pool                    1x2x3   24.58 k   99.84 k  avg_pool 8: 8x8x8 -> 8x1x1
     x=acts2[0+24576] y=acts0[0+384]
  4  linear                      1x1x3    7.68 k   32.74 k  linear 10: 8 -> 10
     state=state order=order x=acts0[0+384] w=params[1600+3664] bias=params[1728+3594] y=acts1[0+544] residual=order
  5  cross_entropy               1x1x3    2.40 k    4.99 k  loss and its gradient, 10 classes
     state=state order=order labels=targets z=acts1[0+544] dz=acts0[0+544] rows=acts0[576+160]
  6  tick                        1x1x3       96       896   mean loss, stop test, history
     states=state rows=acts0[576+160] norms=norms schedule=schedule history=history

24.08 MFLOP and 2.80 MB a step; 1482 parameters
memory: params 21.50 kB, moments 43.01 kB, buffers 0 B, grads 110.59 kB, norms 256 B, blocks 512 B, acts0 201.22 kB, acts1 100.61 kB, acts2 98.30 kB = 576.00 kB
";

const TILED_CNN: &str = "
1x8x8 -> 10, cross_entropy, SGD momentum 0.9, batch 64
one step: 11 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  conv2d_pool_tiled         128x1x1  442.37 k   33.01 k  conv2d 1: 1x8x8 -> 6x8x8 + relu + max_pool
     state=state order=order x=inputs w=params[0+54] bias=params[64+6] y=acts0[0+6144] arg=acts0[6144+2048]
  1  conv2d_tiled               32x2x1    4.42 M  197.22 k  conv2d 4: 6x4x4 -> 40x4x4 + relu
     state=state order=order x=acts0[0+6144] w=params[128+2160] bias=params[2304+40] y=acts1[0+40960] residual=order
  2  linear_tiled                1x2x1  819.20 k  192.04 k  linear 7: 640 -> 10
     state=state order=order x=acts1[0+40960] w=params[0+8832] y=acts0[8192+640] residual=order
  3  cross_entropy               1x1x1    3.20 k    5.63 k  loss and its gradient, 10 classes
     state=state order=order labels=targets z=acts0[8192+640] dz=acts1[40960+640] rows=acts1[41600+128]
  4  linear_dw_tiled            20x1x2  819.20 k  218.11 k  linear 7: 640 -> 10, 2 slices
     state=state order=order x=acts1[0+40960] dy=acts1[40960+640] dw=grads[0+12800] dbias=grads[12800+128]
  5  linear_dx_tiled            20x2x1  819.20 k  355.88 k  linear 7: 640 -> 10, through relu
     x=acts1[0+40960] w=params[0+8832] dy=acts1[40960+640] dx=acts0[8192+40960]
  6  conv2d_dw_tiled            2x2x32    4.42 M  475.14 k  conv2d 4: 6x4x4 -> 40x4x4, 32 slices
     state=state order=order x=acts0[0+6144] dy=acts0[8192+40960] dw=grads[12928+69632] dbias=grads[82560+2048]
  7  conv2d_dx_tiled            32x1x1    4.42 M  221.63 k  conv2d 4: 6x4x4 -> 40x4x4, through relu
     x=acts0[0+6144] w=params[128+2160] dy=acts0[8192+40960] dx=acts1[0+6144]
  8  conv2d_dw_pool_tiled         1x1x32  442.37 k   49.15 k  conv2d 1: 1x8x8 -> 6x8x8, through max_pool, 32 slices
     state=state order=order x=inputs dy=acts1[0+6144] dw=grads[84608+2048] dbias=grads[86656+2048] argmax=acts0[6144+2048]
  9  tick                        1x1x1      146       768   mean loss, stop test, history
     states=state rows=acts1[41600+128] norms=norms schedule=schedule history=history
 10  sgd                         9x1x1  105.98 k  498.59 k  SGD momentum 0.9
     state=state blocks=blocks grads=grads[0+88704] params=params[0+8832] moments=moments norms=norms

one batch of an evaluation: 5 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  conv2d_pool_tiled         128x1x1  442.37 k   33.01 k  conv2d 1: 1x8x8 -> 6x8x8 + relu + max_pool
     state=state order=order x=inputs w=params[0+54] bias=params[64+6] y=acts0[0+6144] arg=acts0[6144+2048]
  1  conv2d_tiled               32x2x1    4.42 M  197.22 k  conv2d 4: 6x4x4 -> 40x4x4 + relu
     state=state order=order x=acts0[0+6144] w=params[128+2160] bias=params[2304+40] y=acts1[0+40960] residual=order
  2  linear_tiled                1x2x1  819.20 k  192.04 k  linear 7: 640 -> 10
     state=state order=order x=acts1[0+40960] w=params[0+8832] y=acts0[0+640] residual=order
  3  cross_entropy               1x1x1    3.20 k    5.63 k  loss and its gradient, 10 classes
     state=state order=order labels=targets z=acts0[0+640] dz=acts1[0+640] rows=acts1[640+128]
  4  tick                        1x1x1      128       768   mean loss, stop test, history
     states=state rows=acts1[640+128] norms=norms schedule=schedule history=history

16.72 MFLOP and 2.25 MB a step; 8670 parameters
memory: params 35.33 kB, moments 35.33 kB, buffers 0 B, grads 354.82 kB, norms 256 B, blocks 2.30 kB, acts0 196.61 kB, acts1 166.91 kB = 791.55 kB
";

const MIRRORED_MLP: &str = "
24 -> 5, cross_entropy, SGD momentum 0.9, batch 16
one step: 9 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  linear_broadcast            1x1x1   24.58 k    5.25 k  linear 1: 24 -> 32 + relu
     state=state order=order x=inputs w=params[0+1600] y=mirror of acts0[0+512] residual=order
     mirrored first: params[0+1600] moments
  1  linear_broadcast            1x1x1   16.38 k    5.18 k  linear 3: 32 -> 16 + relu
     state=state order=order x=acts0[0+512] w=params[0+1600] y=mirror of acts1[0+256] residual=order
  2  linear_cross_entropy          1x1x1    2.96 k    2.00 k  linear 5: 16 -> 5 + cross_entropy, and its gradient
     state=state order=order x=acts1[0+256] w=params[0+1600] labels=targets dz=mirror of acts0[4096+128] rows=acts0[8192+32]
  3  linear_dx_broadcast          1x1x1    2.56 k    2.90 k  linear 5: 16 -> 5, through relu
     x=acts1[0+256] w=params[0+1600] dy=acts0[4096+128] dx=mirror of acts2[0+256]
  4  linear_dx_broadcast          1x1x1   16.38 k    7.23 k  linear 3: 32 -> 16, through relu
     x=acts0[0+512] w=params[0+1600] dy=acts2[0+256] dx=mirror of acts1[4096+512]
  5  tick                        1x1x1       40       384   mean loss, stop test, history
     states=state rows=acts0[8192+32] norms=norms schedule=schedule history=history
  6  linear_sgd_broadcast          1x1x1    3.58 k    3.15 k  linear 5: 16 -> 5 + SGD momentum 0.9
     state=state order=order x=acts1[0+256] dy=acts0[4096+128] params=params[0+1600] moments=moments norms=norms params_mirror=params[0+1600] moments_mirror=moments
  7  linear_sgd_broadcast          1x1x1   22.72 k   11.78 k  linear 3: 32 -> 16 + SGD momentum 0.9
     state=state order=order x=acts0[0+512] dy=acts2[0+256] params=params[0+1600] moments=moments norms=norms params_mirror=params[0+1600] moments_mirror=moments
  8  linear_sgd_broadcast          1x2x1   34.18 k   15.10 k  linear 1: 24 -> 32 + SGD momentum 0.9
     state=state order=order x=inputs dy=acts1[4096+512] params=params[0+1600] moments=moments norms=norms params_mirror=params[0+1600] moments_mirror=moments

one batch of an evaluation: 5 dispatches
  #  kernel                 workgroups      FLOP     bytes  layer
  0  linear_broadcast            1x1x1   24.58 k    5.25 k  linear 1: 24 -> 32 + relu
     state=state order=order x=inputs w=params[0+1600] y=mirror of acts0[0+512] residual=order
     mirrored first: params[0+1600]
  1  linear_broadcast            1x1x1   16.38 k    5.18 k  linear 3: 32 -> 16 + relu
     state=state order=order x=acts0[0+512] w=params[0+1600] y=mirror of acts1[0+256] residual=order
  2  linear_ragged               1x1x1    2.56 k    1.68 k  linear 5: 16 -> 5
     state=state order=order x=acts1[0+256] w=params[0+1600] y_words=acts0[0+80] residual=order
  3  cross_entropy               1x1x1      400       768   loss and its gradient, 5 classes
     state=state order=order labels=targets z=acts0[0+80] dz=acts1[0+80] rows=acts1[4096+32]
  4  tick                        1x1x1       32       384   mean loss, stop test, history
     states=state rows=acts1[4096+32] norms=norms schedule=schedule history=history

123.38 kFLOP and 52.98 kB a step; 1413 parameters
memory: params 16.38 kB, moments 16.38 kB, buffers 0 B, grads 0 B, norms 16.38 kB, blocks 16.38 kB, acts0 49.15 kB, acts1 32.77 kB, acts2 16.38 kB = 163.84 kB
";
