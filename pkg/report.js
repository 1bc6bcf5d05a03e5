// A report as text: JSON and CSV as the command writes them, and a picture.

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Keys as the command has them. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [snake(key), plain(inner)]));
}

/** The command's names: what `rangefinder suggest` reads again. */
export function toJson(report) {
  const { points, refusal, stopped, stoppedAt, seconds, ...rest } = report;
  return JSON.stringify({
    ...plain(rest),
    history: plain(points),
    refusal: refusal && [refusal.reason, refusal.advice].filter(Boolean).join("; "),
    guess: refusal?.guess ?? null,
    stopped: stopped && { step: stoppedAt, reason: stopped },
    seconds,
  });
}

const COLUMNS = ["step", "lr", "loss", "smoothed", "accuracy", "gradNorm", "momentum"];

/** A header and a line for each point; what was not measured is empty. */
export function toCsv(report) {
  const rows = report.points.map((point) => COLUMNS.map((column) => point[column] ?? "").join(","));
  return [COLUMNS.map(snake).join(","), ...rows, ""].join("\n");
}
