// The line through the points: a centred local fit, so that it doesn't lag behind them.

const REACH = 0.3 * Math.LN10; // to either side, in ln(rate)
const NEIGHBOURS = 5; // at least

/**
 * The losses as the suggestion reads them: at each point a line fitted to its neighbours, tricube weights (docs/suggestion.md).
 * Losses above `top` count as `top`, else the line would foresee a divergence; a loss of null, which is no number, counts as none.
 */
export function fitted(points, top) {
  const x = points.map((p) => Math.log(p.lr));
  const y = points.map((p) => (p.loss === null ? NaN : Math.min(p.loss, top)));
  let [from, to] = [0, 0];
  return points.map((_, i) => {
    while (x[i] - x[from] > REACH) from++;
    while (to + 1 < x.length && x[to + 1] - x[i] <= REACH) to++;
    let [a, b] = [from, Math.max(to, i)];
    while (b - a + 1 < Math.min(NEIGHBOURS, x.length)) {
      if (b + 1 >= x.length || (a > 0 && x[i] - x[a - 1] <= x[b + 1] - x[i])) a--;
      else b++;
    }
    const reach = Math.max(REACH, 1.0001 * Math.max(x[i] - x[a], x[b] - x[i]));
    let [w, wx, wy, wxx, wxy] = [0, 0, 0, 0, 0];
    for (let k = a; k <= b; k++) {
      if (!Number.isFinite(y[k])) continue;
      const d = x[k] - x[i];
      const weight = (1 - Math.abs(d / reach) ** 3) ** 3;
      w += weight; wx += weight * d; wy += weight * y[k]; wxx += weight * d * d; wxy += weight * d * y[k];
    }
    const spread = w * wxx - wx * wx;
    return spread > 1e-12 * w * w ? (wxx * wy - wx * wxy) / spread : wy / w;
  });
}
