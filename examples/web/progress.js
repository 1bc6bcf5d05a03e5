// The loss of a training, step by step, over the rate that it follows.

import { linear, lossRange, smoothed, ticks } from './axis.js';
import { loss, rate } from './format.js';

export class LossChart {
  constructor(host) {
    Object.assign(this, { host, points: [], steps: 1, due: false });
    host.innerHTML = '<svg></svg>';
    new ResizeObserver(() => this.refresh()).observe(host);
  }

  /** Starts anew, with so many steps to come. */
  clear(steps) {
    [this.points, this.steps] = [[], steps];
    this.refresh();
  }

  /** Points {step, lr, loss} of the steps that are new. */
  add(points) {
    this.points.push(...points);
    this.refresh();
  }

  refresh() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.draw(); });
  }

  draw() {
    const width = Math.max(220, this.host.clientWidth);
    const height = Math.round(Math.min(320, Math.max(200, width * 0.62)));
    const [left, right, top, bottom] = [44, width - 12, 26, height - 30];
    const { points } = this;
    const most = Math.max(1e-9, ...points.map((p) => p.loss ?? 0));
    const range = points.length ? [0, (lossRange(points) ?? [0, most])[1]] : [0, 1];
    const peak = Math.max(1e-30, ...points.map((p) => p.lr));
    const [steps, losses] = [linear(0, this.steps), linear(...range)];
    const x = (step) => (left + steps.place(step) * (right - left)).toFixed(1);
    const y = (v) => (bottom - Math.min(1.05, losses.place(v)) * (bottom - top)).toFixed(1);
    const out = [];
    for (const v of ticks(...range, 4)) {
      out.push(`<path class="rule" d="M${left} ${y(v)}H${right}"/><text class="tick" x="${left - 8}" y="${Number(y(v)) + 4}" text-anchor="end">${v}</text>`);
    }
    if (points.length > 1) {
      const up = points.map((p) => `${x(p.step)} ${(bottom - (p.lr / peak) * 0.3 * (bottom - top)).toFixed(1)}`);
      out.push(`<path class="schedule" d="M${x(points[0].step)} ${bottom}L${up.join('L')}L${x(points.at(-1).step)} ${bottom}Z"/>`);
      out.push(`<text class="tick" x="${right}" y="${top - 10}" text-anchor="end">rate up to ${rate(peak)}, shaded</text>`);
    }
    const finite = points.filter((p) => Number.isFinite(p.loss));
    out.push(`<path class="dots" d="${finite.map((p) => `M${x(p.step)} ${y(p.loss)}h0`).join('')}"/>`);
    const line = smoothed(finite.map((p) => p.loss), Math.max(1, Math.round(finite.length / 40)));
    out.push(`<path class="fit" d="${finite.map((p, i) => `${i ? 'L' : 'M'}${x(p.step)} ${y(line[i])}`).join('')}"/>`);
    for (const step of ticks(0, this.steps, 4)) out.push(`<text class="tick" x="${x(step)}" y="${bottom + 18}" text-anchor="middle">${step}</text>`);
    out.push(`<path class="base" d="M${left} ${bottom}H${right}"/><text class="title loss-ink" x="${left - 8}" y="${top - 10}">loss</text>`);
    const svg = this.host.firstChild;
    for (const [name, value] of [['viewBox', `0 0 ${width} ${height}`], ['width', width], ['height', height]]) svg.setAttribute(name, value);
    svg.innerHTML = out.join('');
    const last = points.at(-1);
    if (last) this.host.setAttribute('aria-label', `Training loss: ${loss(last.loss)} after ${last.step} of ${this.steps} steps`);
  }
}
