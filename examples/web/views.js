// What a trained model makes of the data: the plane coloured by class, digits with predictions, or a table of confusions.

import { image } from './data.js';
import { colours, paper, rgb } from './theme.js';
import { escape, percent } from './format.js';

const most = (row) => row.indexOf(Math.max(...row));

/** The view that suits the data. It has `inputs(fine)`, what to predict, and `paint(probabilities, fine)`. */
export function viewOf(host, data) {
  host.textContent = '';
  if (data.all.shape.length === 3) return new Digits(host, data.heldOut);
  if (data.all.shape[0] === 2) return new Plane(host, data);
  return new Confusion(host, data.heldOut);
}

/** Probabilities of row `i`. */
const rowOf = (probabilities, classes, i) => probabilities.subarray(i * classes, (i + 1) * classes);

/** The decision boundary: every place in the plane in the mixed colours of its classes, held-out points on it. */
class Plane {
  constructor(host, { all, heldOut }) {
    Object.assign(this, { host, classes: all.classes, heldOut });
    this.points = heldOut.inputs;
    this.labels = heldOut.labels;
    const inputs = all.inputs;
    const range = (k) => {
      let [low, high] = [Infinity, -Infinity];
      for (let i = k; i < inputs.length; i += 2) [low, high] = [Math.min(low, inputs[i]), Math.max(high, inputs[i])];
      const room = 0.12 * (high - low || 1);
      return [low - room, high + room];
    };
    [this.u, this.v] = [range(0), range(1)];
    this.canvas = host.appendChild(document.createElement('canvas'));
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', `${this.labels.length} held-out points of ${this.classes} classes`);
    this.last = null;
    this.scatter(this.cleared());
  }

  /** The centres of a grid of n x n cells, row by row from the top. */
  inputs(fine) {
    const n = fine ? 96 : 40;
    const grid = new Float32Array(2 * n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        grid[2 * (i * n + j)] = this.u[0] + ((j + 0.5) / n) * (this.u[1] - this.u[0]);
        grid[2 * (i * n + j) + 1] = this.v[1] - ((i + 0.5) / n) * (this.v[1] - this.v[0]);
      }
    }
    return grid;
  }

  paint(probabilities, fine) {
    this.last = [probabilities, fine];
    const { canvas, classes } = this;
    const n = fine ? 96 : 40;
    const context = this.cleared();
    const [palette, ground] = [colours().map(rgb), paper()];
    const cells = new ImageData(n, n);
    for (let i = 0; i < n * n; i++) {
      const row = rowOf(probabilities, classes, i);
      const mix = [0, 1, 2].map((k) => row.reduce((sum, p, c) => sum + p * palette[c % 10][k], 0));
      cells.data.set([...mix.map((m, k) => 0.42 * m + 0.58 * ground[k]), 255], 4 * i);
    }
    const small = new OffscreenCanvas(n, n);
    small.getContext('2d').putImageData(cells, 0, 0);
    context.imageSmoothingQuality = 'high';
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    this.scatter(context);
    canvas.setAttribute('aria-label', `The plane, coloured by the model’s ${classes} classes, and ${this.labels.length} held-out points`);
  }

  /** The canvas in the size that it is shown in, empty. */
  cleared() {
    const { canvas } = this;
    canvas.width = canvas.height = Math.max(200, canvas.clientWidth) * (devicePixelRatio || 1);
    return canvas.getContext('2d');
  }

  /** The held-out points. */
  scatter(context) {
    const [names, ground, scale] = [colours(), paper(), devicePixelRatio || 1];
    const size = this.canvas.width / scale;
    context.scale(scale, scale);
    for (let i = 0; i < this.labels.length; i++) {
      const x = ((this.points[2 * i] - this.u[0]) / (this.u[1] - this.u[0])) * size;
      const y = ((this.v[1] - this.points[2 * i + 1]) / (this.v[1] - this.v[0])) * size;
      context.beginPath();
      context.arc(x, y, 3.2, 0, 7);
      context.fillStyle = names[this.labels[i] % 10];
      context.fill();
      context.lineWidth = 1.2;
      context.strokeStyle = `rgb(${ground})`;
      context.stroke();
    }
  }
}

/** Held-out images, each with what the model reads; the wrong ones say what it is. */
class Digits {
  constructor(host, heldOut) {
    const [c, h, w] = heldOut.shape;
    this.classes = heldOut.classes;
    this.names = heldOut.classNames;
    this.size = c * h * w;
    this.count = Math.min(heldOut.length, 60);
    this.labels = heldOut.labels.slice(0, this.count);
    this.values = heldOut.inputs.slice(0, this.count * this.size);
    this.shape = [h, w];
    this.grid = host.appendChild(Object.assign(document.createElement('div'), { className: 'digits' }));
    this.says = host.appendChild(Object.assign(document.createElement('p'), { className: 'hint' }));
    this.last = null;
    this.tiles();
  }

  tiles() {
    const [h, w] = this.shape;
    this.cells = Array.from({ length: this.count }, (_, i) => {
      const cell = document.createElement('figure');
      cell.append(image(this.values.subarray(i * this.size, i * this.size + h * w), h, w), document.createElement('figcaption'));
      return cell;
    });
    this.grid.replaceChildren(...this.cells);
  }

  inputs() { return this.values; }

  paint(probabilities, fine) {
    if (this.last) this.tiles(); // the scheme may have changed, and with it the ink
    this.last = [probabilities, fine];
    let right = 0;
    this.cells.forEach((cell, i) => {
      const read = most(rowOf(probabilities, this.classes, i));
      const good = read === this.labels[i];
      right += good;
      cell.className = good ? '' : 'wrong';
      const [said, is] = [this.names[read] ?? read, this.names[this.labels[i]] ?? this.labels[i]];
      cell.lastChild.textContent = said;
      cell.title = good ? `${said}` : `read as ${said}, is ${is}`;
    });
    this.says.textContent = `${right} of ${this.count} held-out images read rightly; wrong ones are marked.`;
  }
}

/** How often each class was taken for each other. */
class Confusion {
  constructor(host, heldOut) {
    Object.assign(this, { host, classes: heldOut.classes, names: heldOut.classNames, labels: heldOut.labels, values: heldOut.inputs });
    this.last = null;
  }

  inputs() { return this.values; }

  paint(probabilities, fine) {
    this.last = [probabilities, fine];
    const k = this.classes;
    const table = Array.from({ length: k }, () => new Array(k).fill(0));
    this.labels.forEach((is, i) => table[is][most(rowOf(probabilities, k, i))]++);
    const right = table.reduce((sum, row, i) => sum + row[i], 0);
    const name = (i) => escape(this.names[i] ?? i);
    const shown = Math.min(k, 12);
    const head = Array.from({ length: shown }, (_, i) => `<th scope="col">${name(i)}</th>`).join('');
    const rows = table.slice(0, shown).map((row, i) => {
      const cells = row.slice(0, shown).map((n, j) => `<td class="${n === 0 ? 'none' : i === j ? 'right' : 'wrong'}">${n}</td>`);
      return `<tr><th scope="row">${name(i)}</th>${cells.join('')}</tr>`;
    });
    this.host.innerHTML = `<div class="scroll"><table class="confusion"><caption>Held-out samples: a row is the class, a column what the model
      says. ${percent(right / this.labels.length)} right${shown < k ? `; the first ${shown} of ${k} classes` : ''}.</caption>
      <thead><tr><td></td>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
  }
}
