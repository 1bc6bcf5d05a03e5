// The picture of a report: loss over the rate, what is suggested, and what the short runs say.

const WIDTH = 800;
const HEIGHT = 460;
const BOX = { left: 64, right: 776, top: 64, bottom: 408 };

const LIGHT = { paper: "#ffffff", ink: "#1f2933", faint: "#7b8794", grid: "#e4e7eb", raw: "#9fb3c8", line: "#0b69a3", found: "#c2410c" };
const DARK = { paper: "#11181f", ink: "#e4e7eb", faint: "#9aa5b1", grid: "#28323c", raw: "#486581", line: "#63b3ed", found: "#fb923c" };

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

/** A number as one would type it: 10, 0.05, 1e-7. */
export function typed(value, digits = 3) {
  const short = Number(value.toPrecision(digits));
  const size = Math.abs(short);
  return short === 0 || (size >= 1e-2 && size < 1e5) ? String(short) : short.toExponential().replace("e+", "e");
}

/** Round numbers from `low` to `high`, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) found.push(i * step);
  return found;
}

/** Where rates and losses are on the paper. */
function scales(points, linear) {
  const across = linear ? (lr) => lr : Math.log10;
  const [from, to] = [across(points[0].lr), across(points.at(-1).lr)];
  // A loss that blew up at the end would flatten all others: the axis ends a little above the start.
  const start = points[0].smoothed;
  const losses = points.flatMap((p) => [p.loss, p.smoothed]).filter(Number.isFinite);
  const lowest = Math.min(...losses);
  const highest = Math.min(Math.max(...losses), start + 0.6 * Math.max(start - lowest, 1e-9) + 0.05 * Math.abs(start));
  const room = 0.06 * (highest - lowest || 1);
  const [bottom, top] = [lowest - room, highest + room];
  const clamp = (v, a, b) => Math.min(Math.max(v, a), b);
  return {
    from, to, bottom, top,
    x: (lr) => BOX.left + ((across(lr) - from) / (to - from || 1)) * (BOX.right - BOX.left),
    y: (loss) => clamp(BOX.bottom - ((loss - bottom) / (top - bottom)) * (BOX.bottom - BOX.top), BOX.top, BOX.bottom),
  };
}

function axes(scale, linear, ink) {
  const parts = [];
  const label = (x, y, anchor, text) =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${ink.faint}">${escape(text)}</text>`;
  const decades = ticks(scale.from, scale.to, 8).filter((d) => linear || Number.isInteger(d));
  for (const mark of decades) {
    const lr = linear ? mark : 10 ** mark;
    const x = scale.x(lr);
    parts.push(`<path d="M${x.toFixed(1)} ${BOX.top}V${BOX.bottom}" stroke="${ink.grid}"/>`);
    parts.push(label(x, BOX.bottom + 20, "middle", typed(lr)));
  }
  for (const loss of ticks(scale.bottom, scale.top, 6)) {
    const y = scale.y(loss);
    parts.push(`<path d="M${BOX.left} ${y.toFixed(1)}H${BOX.right}" stroke="${ink.grid}"/>`);
    parts.push(label(BOX.left - 8, y + 4, "end", typed(loss)));
  }
  parts.push(label((BOX.left + BOX.right) / 2, HEIGHT - 12, "middle", "learning rate"));
  parts.push(label(BOX.left - 8, BOX.top - 10, "end", "loss"));
  return parts;
}

function curve(points, scale, ink) {
  const path = (field) => points.map((p, i) => `${i ? "L" : "M"}${scale.x(p.lr).toFixed(1)} ${scale.y(p[field]).toFixed(1)}`).join("");
  const dots = points.map((p) => `<circle cx="${scale.x(p.lr).toFixed(1)}" cy="${scale.y(p.loss).toFixed(1)}" r="2"/>`);
  return [
    `<g fill="${ink.raw}">${dots.join("")}</g>`,
    `<path d="${path("smoothed")}" fill="none" stroke="${ink.line}" stroke-width="2" stroke-linejoin="round"/>`,
  ];
}

/** The suggestion's interval and rate, and what won the short runs. */
function marks(report, scale, ink) {
  const parts = [];
  const within = (lr) => Math.min(Math.max(scale.x(lr), BOX.left), BOX.right).toFixed(1);
  const upright = (lr, dash) =>
    `<path d="M${within(lr)} ${BOX.top}V${BOX.bottom}" stroke="${ink.found}" stroke-width="2"${dash}/>`;
  const { suggestion, verification } = report;
  if (suggestion) {
    const [low, high] = [within(suggestion.low), within(suggestion.high)];
    parts.push(`<rect x="${low}" y="${BOX.top}" width="${(high - low).toFixed(1)}" height="${BOX.bottom - BOX.top}" fill="${ink.found}" opacity="0.12"/>`);
    parts.push(upright(suggestion.lr, ""));
  }
  if (verification?.lr && verification.lr !== suggestion?.lr) parts.push(upright(verification.lr, ' stroke-dasharray="5 4"'));
  return parts;
}

function headline(report) {
  if (report.learningRate === null) return `no suggestion: ${report.refusal?.reason ?? "the curve has no points"}`;
  const { suggestion, verification } = report;
  const how = verification?.lr ? `, chosen by ${verification.runs.length} short runs` : "";
  const range = suggestion ? ` (${typed(suggestion.low, 2)} to ${typed(suggestion.high, 2)} by the curve)` : "";
  return `learning rate ${typed(report.learningRate, 2)}${range}${how}`;
}

/** An SVG document. */
export function toSvg(report, { dark = false } = {}) {
  const ink = dark ? DARK : LIGHT;
  const { points } = report;
  const linear = points[0]?.lr === 0;
  const drawn = points.length > 1 ? scales(points, linear) : null;
  const body = drawn ? [...axes(drawn, linear, ink), ...marks(report, drawn, ink), ...curve(points, drawn, ink)] : [];
  const end = report.stopped ? `, stopped at step ${report.stoppedAt}: ${report.stopped}` : "";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img"`,
    ` font-family="system-ui, sans-serif" font-size="12"><title>Range test</title><rect width="100%" height="100%" fill="${ink.paper}"/>`,
    `<text x="16" y="26" font-size="16" fill="${ink.ink}">${escape(headline(report))}</text>`,
    `<text x="16" y="44" fill="${ink.faint}">${escape(`${report.mode}, ${points.length} points${end}`)}</text>`,
    ...body,
    "</svg>\n",
  ].join("");
}
