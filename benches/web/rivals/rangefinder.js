// Rangefinder's own package.

import init, { Dataset, Gpu, Model } from '/pkg/rangefinder.js';

export async function open({ images, labels, sizes, batch, lr, momentum }) {
  await init();
  const gpu = await Gpu.open();
  const dense = sizes.slice(1).flatMap((features, i, all) => [{ kind: 'linear', features }, ...(i < all.length - 1 ? [{ kind: 'relu' }] : [])]);
  const of = (count) => Dataset.from({ inputs: images.slice(0, count * sizes[0]), shape: [sizes[0]], labels: labels.slice(0, count), classes: sizes.at(-1) });
  const make = (data) => Model.create({ gpu, data, heldOut: data, model: dense, optimizer: { kind: 'sgd', momentum }, batch, seed: 1 });
  const [all, one] = [of(labels.length), of(batch)];
  const model = await make(all);
  const train = (m, data, steps, heard) => m.train({ data, lr, steps, schedule: 'constant' }, heard);
  return {
    steps: (n) => train(model, all, n),
    /** Pairs of weight and bias, in the order of the layers. */
    async weights() {
      const named = Object.values(await model.weights()).map((values) => [...values]);
      return sizes.slice(1).map((_, i) => [named[2 * i], named[2 * i + 1]]);
    },
    async check(weights, n) {
      const single = await make(one);
      const names = Object.keys(await single.weights());
      await single.setWeights(Object.fromEntries(names.map((name, i) => [name, weights[i >> 1][i & 1]])));
      const losses = [];
      await train(single, one, n, (p) => { losses.push(...p.points.map((q) => q.loss)); });
      single.free();
      return losses;
    },
  };
}
