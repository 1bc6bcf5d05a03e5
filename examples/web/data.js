// The datasets that the page offers, and a first look at them.

import { Dataset } from './pkg/rangefinder.js';
import { ink, colours } from './theme.js';
import { count } from './format.js';

const MOST_BYTES = 64 << 20;
const MOST_HELD_OUT = 512;

/** Train and held-out parts, as the command splits them: a fifth of the digits, of others a tenth, at most 512 samples. */
export function load(settings, csv) {
  const all = whole(settings, csv);
  if (all.classes < 2) throw new RangeError('All samples are of one class; there is nothing to tell apart. Is another column the class?');
  const share = settings.data === 'digits' ? 0.2 : Math.min(0.1, MOST_HELD_OUT / all.length);
  const { train, heldOut } = all.split({ heldOut: share, seed: settings.seed });
  return { all, train, heldOut, free: () => [all, train, heldOut].forEach((part) => part.free()) };
}

function whole(settings, csv) {
  switch (settings.data) {
    case 'digits': return Dataset.digits();
    case 'moons': return Dataset.moons({ samples: 2000, noise: 0.1, seed: settings.seed });
    case 'spirals': return Dataset.spirals({ classes: 3, samples: 2000, noise: 0.05, seed: settings.seed });
    default:
      if (!csv) throw new RangeError('There is no CSV yet: choose a file, or drop one on the page.');
      return Dataset.csv(csv.text, csv.target ? { target: csv.target } : {});
  }
}

/** The text of a file, with a look at its first line: the names of its columns, or none. Throws what is wrong with it. */
export async function readCsv(file) {
  if (file.size === 0) throw new RangeError(`${file.name} is empty.`);
  if (file.size > MOST_BYTES) throw new RangeError(`${file.name} has ${Math.ceil(file.size / 2 ** 20)} MiB; this page reads up to 64.`);
  const text = await file.text();
  if (text.includes('\0')) throw new RangeError(`${file.name} is not text; a CSV has numbers, separated by commas.`);
  const first = text.slice(0, text.search(/[\r\n]|$/)).split(/[,;\t]/).map((cell) => cell.trim().replace(/^"|"$/g, ''));
  const header = first.some((cell) => cell !== '' && Number.isNaN(Number(cell)));
  return { name: file.name, text, columns: header ? first : [], target: null };
}

export function describe(data) {
  const { all, train, heldOut } = data;
  const shape = all.shape.length === 3 ? `images of ${all.shape[1]} × ${all.shape[2]}` : `samples of ${all.shape.join(' × ')} numbers`;
  return `${count(all.length)} ${shape}, ${all.classes} classes; ${count(train.length)} to train, ${count(heldOut.length)} held out.`;
}

/** The first samples: images side by side, or points in the plane, or each feature against the next. */
export function preview(canvas, data) {
  const { all } = data;
  const [inputs, labels] = [all.inputs, all.labels];
  const width = Math.max(200, canvas.clientWidth || canvas.parentElement.clientWidth);
  const points = all.shape.length === 1;
  const height = points ? Math.round(width * 0.42) : Math.round(width / 4);
  const scale = devicePixelRatio || 1;
  Object.assign(canvas, { width: width * scale, height: height * scale });
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  if (points) scatter(context, width, height, all, inputs, labels);
  else images(context, width, height, all, inputs);
  canvas.setAttribute('aria-label', points ? `${all.length} points of ${all.classes} classes` : 'The first images of the data');
}

function scatter(context, width, height, all, inputs, labels) {
  const features = all.shape[0];
  if (features === 0) return;
  const [u, v] = [0, Math.min(1, features - 1)];
  const shown = Math.min(all.length, 600);
  const range = (k) => {
    const column = Array.from({ length: shown }, (_, i) => inputs[i * features + k]);
    return [Math.min(...column), Math.max(...column)];
  };
  const [[left, right], [low, high]] = [range(u), range(v)];
  const fit = Math.min((width - 12) / (right - left || 1), (height - 12) / (high - low || 1));
  const stretch = features === 2 ? [fit, fit] : [(width - 12) / (right - left || 1), (height - 12) / (high - low || 1)];
  const palette = colours();
  for (let i = 0; i < shown; i++) {
    const x = width / 2 + (inputs[i * features + u] - (left + right) / 2) * stretch[0];
    const y = height / 2 - (inputs[i * features + v] - (low + high) / 2) * stretch[1];
    context.fillStyle = palette[labels[i] % palette.length];
    context.globalAlpha = 0.75;
    context.beginPath();
    context.arc(x, y, 1.7, 0, 7);
    context.fill();
  }
}

function images(context, width, height, all, inputs) {
  const [, h, w] = all.shape;
  const size = h * w * all.shape[0];
  const across = 12;
  const cell = width / across;
  const down = Math.floor(height / cell);
  for (let i = 0; i < Math.min(all.length, across * down); i++) {
    const tile = image(inputs.subarray(i * size, i * size + h * w), h, w);
    context.imageSmoothingEnabled = false;
    context.drawImage(tile, (i % across) * cell + 2, Math.floor(i / across) * cell + 2, cell - 4, cell - 4);
  }
}

/** One plane of an image as ink on paper, its smallest number white. */
export function image(values, h, w) {
  const tile = document.createElement('canvas');
  Object.assign(tile, { width: w, height: h });
  const pixels = new ImageData(w, h);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [r, g, b] = ink();
  values.forEach((v, i) => pixels.data.set([r, g, b, 255 * ((v - low) / (high - low || 1))], 4 * i));
  tile.getContext('2d').putImageData(pixels, 0, 0);
  return tile;
}
