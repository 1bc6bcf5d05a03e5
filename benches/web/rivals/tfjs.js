// TensorFlow.js on its WebGPU backend.

const script = (src) => new Promise((resolve, reject) => document.head.append(Object.assign(document.createElement('script'), { src, onload: resolve, onerror: () => reject(new Error(`no ${src}`)) })));

/** (out, in) as (in, out). */
const turned = (w, out, inn) => Float32Array.from({ length: w.length }, (_, k) => w[(k % out) * inn + Math.floor(k / out)]);

export async function open({ images, labels, sizes, batch, lr, momentum }) {
  await script('/bench/modules/@tensorflow/tfjs/dist/tf.min.js');
  await script('/bench/modules/@tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js');
  const tf = globalThis.tf;
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs: its webgpu backend does not start');
  await tf.ready();
  const [features, classes] = [sizes[0], sizes.at(-1)];
  const batches = Array.from({ length: Math.floor(labels.length / batch) }, (_, i) => [
    tf.tensor2d(images.subarray(i * batch * features, (i + 1) * batch * features), [batch, features]),
    tf.cast(tf.oneHot(tf.tensor1d(Int32Array.from(labels.subarray(i * batch, (i + 1) * batch)), 'int32'), classes), 'float32'),
  ]);
  const layers = sizes.slice(1).map((out, i) => [
    tf.variable(tf.randomNormal([sizes[i], out], 0, Math.sqrt(2 / sizes[i]))), tf.variable(tf.zeros([out])),
  ]);
  let optimizer = tf.train.momentum(lr, momentum);
  const forward = (x) => layers.reduce((h, [w, b], i) => {
    const y = tf.add(tf.matMul(h, w), b);
    return i < layers.length - 1 ? tf.relu(y) : y;
  }, x);
  const step = ([x, y], keep) => optimizer.minimize(() => tf.losses.softmaxCrossEntropy(y, forward(x)), keep);
  let at = 0;
  return {
    async steps(n) {
      for (let i = 0; i < n; i++) step(batches[at++ % batches.length], false);
      await layers.at(-1)[1].data();
    },
    async check(weights, n) {
      weights.forEach(([w, b], i) => {
        layers[i][0].assign(tf.tensor2d(turned(w, sizes[i + 1], sizes[i]), [sizes[i], sizes[i + 1]]));
        layers[i][1].assign(tf.tensor1d(b));
      });
      optimizer = tf.train.momentum(lr, momentum);
      const losses = [];
      for (let i = 0; i < n; i++) losses.push((await step(batches[0], true).data())[0]);
      return losses;
    },
  };
}
