// Which part of the numbers to show, and where the ticks go.

const median = (values) => quantile(values, 0.5);

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))];
}

/** A linear axis: `place(value)` is 0 at the low end and 1 at the high end. */
export function linear(low, high) {
  return { low, high, place: (v) => (v - low) / (high - low) };
}

/** A logarithmic axis. */
export function log(low, high) {
  const [a, b] = [Math.log(low), Math.log(high)];
  return { low, high, place: (v) => (Math.log(v) - a) / (b - a), value: (share) => Math.exp(a + share * (b - a)) };
}

/**
 * The losses that the picture is about, [low, high]: from the start of the curve to its lowest point, and as much of a
 * divergence as leaves the fall most of the height. `live`: the curve still grows; then noise alone doesn't fill the picture.
 */
export function lossRange(points, live) {
  const shown = points.filter((p) => Number.isFinite(p.loss) && Math.abs(p.loss) < 1e30);
  if (shown.length === 0) return null;
  const raw = shown.map((p) => p.loss);
  const start = median(raw.slice(0, Math.ceil(raw.length / 20) + 2));
  const reach = Math.max(2, Math.floor(raw.length / 50));
  const levels = raw.map((_, i) => median(raw.slice(Math.max(0, i - reach), i + reach + 1)));
  const bottom = levels.indexOf(Math.min(...levels));
  const descent = bottom < reach ? raw : raw.slice(0, bottom + reach + 1);
  let low = Math.min(quantile(descent, 0.02), levels[bottom]);
  let high = Math.max(start, bottom < reach ? 2 * median(raw) - low : quantile(descent, 0.97));
  const least = (live ? 0.3 : 0.04) * Math.max(Math.abs(low), Math.abs(high), 1e-9);
  if (high - low < least) low = high - least;
  const span = high - low;
  const top = Math.min(Math.max(...raw), high + 0.35 * span);
  const floor = low - 0.08 * span;
  return [Math.min(...raw) >= 0 ? Math.max(0, floor) : floor, Math.max(top, high) + 0.06 * span];
}

/** About `wanted` round numbers from low to high. */
export function ticks(low, high, wanted) {
  const rough = (high - low) / wanted;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-12); i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** The powers of ten from low to high, as exponents. */
export function decades(low, high) {
  const found = [];
  for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.log10(high) + 1e-9; e++) found.push(e);
  return found;
}

/** Mean of the values around each one, nulls left out; `reach` to either side. */
export function smoothed(values, reach) {
  return values.map((v, i) => {
    const near = values.slice(Math.max(0, i - reach), i + reach + 1).filter((n) => n !== null && Number.isFinite(n));
    return v === null || near.length === 0 ? null : near.reduce((a, b) => a + b) / near.length;
  });
}
