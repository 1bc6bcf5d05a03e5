// How numbers read.

const raised = (n) => [...String(n)].map((c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[c] ?? '⁻').join('');

/** 10 to an integer: "10⁻⁷". */
export const power = (n) => `10${raised(n)}`;

/** A rate with so many significant digits: "0.117", "2.34 × 10⁻⁵". */
export function rate(x, digits = 3) {
  if (x === null || x === undefined || !Number.isFinite(x)) return '–';
  if (x === 0) return '0';
  if (x >= 1e-3 && x < 1e4) return String(Number(x.toPrecision(digits)));
  const [mantissa, exponent] = x.toExponential(digits - 1).split('e');
  return Number(mantissa) === 1 ? power(Number(exponent)) : `${Number(mantissa)} × ${power(Number(exponent))}`;
}

/** What a number field takes: "0.117", "2.34e-5". */
export const field = (x) => (x >= 1e-3 && x < 1e4 ? String(Number(x.toPrecision(3))) : x.toExponential(2));

/** A loss: four significant digits at most, never an exponent where none is needed. */
export function loss(x) {
  if (x === null || x === undefined || !Number.isFinite(x)) return '–';
  const size = Math.abs(x);
  return size !== 0 && (size < 1e-4 || size >= 1e5) ? rate(x) : String(Number(x.toPrecision(size < 1 ? 3 : 4)));
}

/** A share as per cent: "97.8 %". */
export const percent = (x) => (x === null || x === undefined ? '–' : `${(100 * x).toFixed(1)} %`);

export const count = (n) => n.toLocaleString('en');

export const seconds = (s) => (s < 10 ? `${s.toFixed(1)} s` : `${Math.round(s)} s`);

/** For text that goes into markup. */
export const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
