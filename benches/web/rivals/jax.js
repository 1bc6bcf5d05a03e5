// jax-js on WebGPU: one jitted function a step. It counts references: `.ref` is a use beside which another follows.

import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from '/bench/modules/@jax-js/jax/dist/index.js';

export async function open({ images, labels, sizes, batch, lr, momentum }) {
  const started = await init('webgpu');
  if (!started.includes('webgpu')) throw new Error(`jax-js: its webgpu device does not start (${started})`);
  defaultDevice('webgpu');
  const [features, classes] = [sizes[0], sizes.at(-1)];
  const array = (values, shape) => np.array(values).reshape(shape);
  const batches = Array.from({ length: Math.floor(labels.length / batch) }, (_, i) => {
    const hot = new Float32Array(batch * classes);
    for (let k = 0; k < batch; k++) hot[k * classes + labels[i * batch + k]] = 1;
    return [array(images.slice(i * batch * features, (i + 1) * batch * features), [batch, features]), array(hot, [batch, classes])];
  });
  const lossOf = (layers, x, y) => {
    const logits = layers.reduce((h, [w, b], i) => {
      const z = np.matmul(h, w.transpose()).add(b); // w is (out, in)
      return i < layers.length - 1 ? nn.relu(z) : z;
    }, x);
    return nn.logSoftmax(logits).mul(y).sum().mul(-1 / batch);
  };
  const step = jit((layers, velocity, x, y) => {
    const [loss, slopes] = valueAndGrad(lossOf)(tree.ref(layers), x, y);
    const speed = velocity.map((pair, i) => pair.map((v, k) => v.mul(momentum).add(slopes[i][k])));
    const moved = layers.map((pair, i) => pair.map((w, k) => w.sub(speed[i][k].ref.mul(lr))));
    return [moved, speed, loss];
  });
  const zeros = () => sizes.slice(1).map((out, i) => [np.zeros([out, sizes[i]]), np.zeros([out])]);
  const state = { layers: zeros(), velocity: zeros(), at: 0 };
  const one = ([x, y]) => {
    const [layers, velocity, loss] = step(state.layers, state.velocity, x.ref, y.ref);
    Object.assign(state, { layers, velocity });
    return loss;
  };
  return {
    async steps(n) {
      for (let i = 0; i < n; i++) one(batches[state.at++ % batches.length]).dispose();
      await blockUntilReady(state.layers);
    },
    async check(weights, n) {
      tree.dispose(state.layers);
      tree.dispose(state.velocity);
      state.layers = weights.map(([w, b], i) => [array(w, [sizes[i + 1], sizes[i]]), array(b, [sizes[i + 1]])]);
      state.velocity = zeros();
      const losses = [];
      for (let i = 0; i < n; i++) losses.push((await one(batches[0]).data())[0]);
      return losses;
    },
  };
}
