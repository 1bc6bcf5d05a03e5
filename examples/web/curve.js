// The curve of a range test: it draws itself while the run goes on, and can be read with a pointer or the arrow keys.

import { decades, log, linear, lossRange, smoothed, ticks } from './axis.js';
import { fitted } from './fit.js';
import { escape, loss, percent, power, rate } from './format.js';

const ROW = 18; // of the strip under the axis, one rule each
const RULES = [
  ['fastai_valley', 'fastai valley'],
  ['fastai_steep', 'fastai steep'],
  ['fastai_slide', 'fastai slide'],
  ['fastai_minimum', 'fastai minimum'],
  ['min_gradient', 'steepest step'],
];
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** The rows that a report has answers for: name, class, and one or more rates. */
function tracks(report) {
  const rows = [];
  const runs = report?.verification?.runs ?? [];
  if (runs.length) rows.push({ name: 'short runs', kind: 'short', rates: runs.map((r) => r.lr), good: runs.map((r) => r.good) });
  for (const [key, name] of RULES) {
    if (report?.rules?.[key] > 0) rows.push({ name, kind: 'rule', rates: [report.rules[key]] });
  }
  const smith = report?.smith;
  if (smith?.baseLr > 0) rows.push({ name: 'Smith, base to max', kind: 'smith', rates: [smith.baseLr, smith.maxLr] });
  return rows;
}

/** The line through a run's points, and the range of its losses; computed anew when it has more points. */
function read(run) {
  const live = !run.report;
  if (run.read?.points !== run.points || run.read.count !== run.points.length || run.read.live !== live) {
    const range = lossRange(run.points, live);
    const top = range ? range[1] + 0.3 * (range[1] - range[0]) : 1;
    run.read = { points: run.points, count: run.points.length, live, range, line: fitted(run.points, top) };
  }
  return run.read;
}

/** "the loss diverged" of a report that ended early. */
const stopReason = (report) => (typeof report?.stopped === 'string' ? report.stopped : report?.stopped?.reason ?? null);

export class Curve {
  /** `host` takes the picture, `readout` what lies under the cursor; `choose(lr)` is called when a rate is picked. */
  constructor(host, readout, choose) {
    Object.assign(this, { host, readout, choose, run: null, kept: [], at: null, range: null, frame: null, due: false });
    host.innerHTML = '<svg><g class="picture"></g><g class="cross"></g></svg>';
    [this.svg, this.picture, this.cross] = [host.firstChild, ...host.firstChild.children];
    new ResizeObserver(() => this.refresh()).observe(host);
    host.addEventListener('pointermove', (e) => this.point(e));
    host.addEventListener('pointerleave', () => this.move(null));
    host.addEventListener('click', (e) => { this.point(e); this.pick(); });
    host.addEventListener('keydown', (e) => this.key(e));
  }

  /** A run {settings: {from, to}, points, report} and the runs that stay behind it. */
  show(run, kept) {
    if (run !== this.run) [this.at, this.range] = [null, null];
    [this.run, this.kept] = [run, kept];
    this.refresh();
  }

  /** Draws with the next frame, however often it is called before. */
  refresh() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.draw(); });
  }

  get points() { return this.run?.points ?? []; }

  draw() {
    const { run, points } = this;
    const frame = (this.frame = this.layout());
    const { left, right, top, bottom, height, width, x, y } = frame;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.setAttribute('width', width);
    this.svg.setAttribute('height', height);
    const out = [`<clipPath id="inside"><rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"/></clipPath>`];
    this.grid(out, frame);
    const report = run?.report;
    const chosen = report?.suggestion;
    if (chosen) {
      const [a, b] = [chosen.low, chosen.high].map((r) => Math.min(right, Math.max(left, x(r))));
      out.push(`<rect class="interval" x="${a}" y="${top - 12}" width="${Math.max(1, b - a)}" height="${height - top + 12}"/>`);
    }
    out.push('<g clip-path="url(#inside)">');
    for (const other of this.kept) if (other !== run) this.fit(out, frame, other, `keep keep${other.colour}`);
    this.band(out, frame, report);
    this.accuracy(out, frame);
    out.push(`<path class="dots" d="${points.map((p) => (Number.isFinite(p.loss) ? `M${x(p.lr)} ${y(p.loss)}h0` : '')).join('')}"/>`);
    if (run) this.fit(out, frame, run, 'fit');
    out.push('</g>');
    this.beyond(out, frame);
    this.stop(out, frame, report);
    this.strip(out, frame, tracks(report), chosen);
    if (chosen) this.suggestion(out, frame, chosen);
    this.picture.innerHTML = out.join('');
    this.mark();
    this.describe();
  }

  /** Where everything stands; glides towards the range of losses that the points call for. */
  layout() {
    const width = Math.max(240, this.host.clientWidth);
    const narrow = width < 560;
    const [left, right] = [narrow ? 38 : 52, width - (narrow ? 38 : 52)];
    const top = 40;
    const bottom = top + Math.round(Math.min(390, Math.max(210, width * 0.5)));
    const height = bottom + 40 + ROW * tracks(this.run?.report).length;
    const { from, to } = this.run?.settings ?? { from: 1e-7, to: 10 };
    const wanted = [this.run, ...this.kept].filter(Boolean).map((r) => read(r).range).filter(Boolean);
    const goal = wanted.length ? [Math.min(...wanted.map((w) => w[0])), Math.max(...wanted.map((w) => w[1]))] : [0, 1];
    if (!this.range || calm.matches) this.range = goal;
    else {
      const near = goal.map((g, i) => this.range[i] + 0.25 * (g - this.range[i]));
      const far = Math.max(...goal.map((g, i) => Math.abs(g - near[i]))) > 0.004 * (goal[1] - goal[0]);
      this.range = far ? near : goal;
      if (far) this.refresh();
    }
    const [rates, losses] = [log(from, to), linear(...this.range)];
    const round = (v) => Math.round(v * 100) / 100;
    const x = (lr) => round(left + rates.place(lr) * (right - left));
    const y = (v) => round(bottom - Math.min(9, Math.max(-9, losses.place(v))) * (bottom - top));
    return { width, height, left, right, top, bottom, narrow, rates, x, y };
  }

  grid(out, { left, right, top, bottom, narrow, rates, x, y }) {
    for (const v of ticks(...this.range, narrow ? 4 : 6)) {
      out.push(`<path class="rule" d="M${left} ${y(v)}H${right}"/><text class="tick" x="${left - 8}" y="${y(v) + 4}" text-anchor="end">${v}</text>`);
    }
    const marks = decades(rates.low, rates.high);
    const every = Math.ceil(marks.length / ((right - left) / 38));
    marks.forEach((e, i) => {
      out.push(`<path class="tickmark" d="M${x(10 ** e)} ${bottom}v5"/>`);
      if (i % every === 0) out.push(`<text class="tick" x="${x(10 ** e)}" y="${bottom + 19}" text-anchor="middle">${power(e)}</text>`);
      for (let m = 2; m < 10; m++) {
        const minor = m * 10 ** e;
        if (minor < rates.high && rates.high / rates.low < 1e10) out.push(`<path class="minor" d="M${x(minor)} ${bottom}v3"/>`);
      }
    });
    out.push(`<path class="base" d="M${left} ${bottom}H${right}"/>`);
    out.push(`<text class="title loss-ink" x="${left - 8}" y="${top - 20}" text-anchor="${narrow ? 'start' : 'middle'}" dx="${narrow ? -left + 14 : 0}">loss</text>`);
    out.push(`<text class="title" x="${right}" y="${bottom + 34}" text-anchor="end">learning rate</text>`);
    if (this.points.some((p) => p.accuracy !== null)) {
      for (const share of [0, 0.25, 0.5, 0.75, 1]) {
        const at = bottom - share * (bottom - top);
        out.push(`<text class="tick accuracy-ink" x="${right + 8}" y="${at + 4}">${100 * share}${share === 1 && !narrow ? '%' : ''}</text>`);
      }
      out.push(`<text class="title accuracy-ink" x="${narrow ? right + 36 : right + 8}" y="${top - 20}" text-anchor="${narrow ? 'end' : 'middle'}">accuracy</text>`);
    }
  }

  /** The line through a run's points, broken where one is missing. */
  fit(out, { x, y }, run, style) {
    let pen = 'M';
    const path = read(run).line.map((value, i) => {
      if (!Number.isFinite(value)) { pen = 'M'; return ''; }
      const piece = `${pen}${x(run.points[i].lr)} ${y(value)}`;
      pen = 'L';
      return piece;
    });
    out.push(`<path class="${style}" d="${path.join('')}"/>`);
  }

  /** The range of losses over several seeds. */
  band(out, { x, y }, report) {
    const spread = report?.spread;
    if (!spread?.length || spread.length !== this.points.length) return;
    const edge = (i) => this.points.map((p, k) => `${x(p.lr)} ${y(spread[k][i])}`);
    out.push(`<path class="band" d="M${edge(0).join('L')}L${edge(1).reverse().join('L')}Z"/>`);
  }

  accuracy(out, { x, top, bottom }) {
    const shares = smoothed(this.points.map((p) => p.accuracy), Math.max(2, Math.round(this.points.length / 40)));
    let pen = 'M';
    const path = shares.map((share, i) => {
      if (share === null) { pen = 'M'; return ''; }
      const piece = `${pen}${x(this.points[i].lr)} ${bottom - share * (bottom - top)}`;
      pen = 'L';
      return piece;
    });
    out.push(`<path class="accuracy" d="${path.join('')}"/>`);
  }

  /** Losses above the picture: small arrows on its edge. */
  beyond(out, { x, y, top }) {
    const arrows = this.points.filter((p) => p.loss === null || y(p.loss) < top).map((p) => `M${x(p.lr) - 3} ${top}l3 -5l3 5z`);
    out.push(`<path class="beyond" d="${arrows.join('')}"/>`);
  }

  stop(out, { x, right, top, bottom }, report) {
    const reason = stopReason(report);
    const last = this.points.at(-1);
    if (!reason || !last) return;
    const at = Math.min(right, x(last.lr) + 3);
    out.push(`<path class="stop" d="M${at} ${top}V${bottom}"/>`);
    const room = right - at > 22;
    out.push(`<text class="stopped" transform="translate(${room ? at + 15 : at - 6} ${bottom - 10}) rotate(-90)">${escape(reason)}</text>`);
  }

  /** One row a rule under the axis, so that no two answers cover each other. */
  strip(out, { left, right, bottom, x }, rows, chosen) {
    rows.forEach((row, i) => {
      const y = bottom + 40 + ROW * i + ROW / 2;
      const spots = row.rates.map((r) => Math.min(right, Math.max(left, x(r))));
      out.push(`<path class="lane" d="M${left} ${y}H${right}"/>`);
      if (row.kind === 'smith') out.push(`<path class="smith" d="M${spots[0]} ${y}H${spots[1]}M${spots[0]} ${y - 4}v8M${spots[1]} ${y - 4}v8"/>`);
      else if (row.kind === 'short') row.rates.forEach((r, k) => out.push(`<circle class="short${row.good[k] ? ' good' : ''}" cx="${spots[k]}" cy="${y}" r="4"/>`));
      else out.push(`<path class="mark" d="M${spots[0]} ${y - 5}v10"/>`);
      const [first, last] = [Math.min(...spots), Math.max(...spots)];
      const needed = 7 * row.name.length + 12;
      const middle = chosen ? x(chosen.lr) : -1;
      const clearLeft = first - needed > left && !(middle > first - needed && middle < first);
      const [at, anchor] = clearLeft || last + needed > right ? [first - 10, 'end'] : [last + 10, 'start'];
      out.push(`<text class="lanename" x="${at}" y="${y + 4}" text-anchor="${anchor}">${row.name}</text>`);
    });
  }

  suggestion(out, { left, right, top, height, x, y, narrow }, chosen) {
    const at = Math.min(right, Math.max(left, x(chosen.lr)));
    const text = narrow ? rate(chosen.lr) : `suggested ${rate(chosen.lr)}`;
    const half = 4 * text.length;
    out.push(`<path class="chosen" d="M${at} ${top - 12}V${height}"/>`);
    out.push(`<text class="chosen-name" x="${Math.min(right - half, Math.max(left + half, at))}" y="${top - 20}" text-anchor="middle">${text}</text>`);
    const here = this.fitAt(chosen.lr);
    if (here !== null && y(here) > top) out.push(`<circle class="chosen-dot" cx="${at}" cy="${y(here)}" r="5"/>`);
  }

  /** The fit's height at a rate, between two points. */
  fitAt(lr) {
    const after = this.points.findIndex((p) => p.lr >= lr);
    if (after < 1) return null;
    const { line } = read(this.run);
    const share = Math.log(lr / this.points[after - 1].lr) / Math.log(this.points[after].lr / this.points[after - 1].lr);
    const value = line[after - 1] + share * (line[after] - line[after - 1]);
    return Number.isFinite(value) ? value : null;
  }

  // Reading: the cursor is the index of a point.

  point(event) {
    if (!this.frame || this.points.length === 0) return;
    const box = this.svg.getBoundingClientRect();
    const { left, right, rates } = this.frame;
    const lr = rates.value((event.clientX - box.left - left) / (right - left));
    let best = 0;
    this.points.forEach((p, i) => { if (Math.abs(Math.log(p.lr / lr)) < Math.abs(Math.log(this.points[best].lr / lr))) best = i; });
    this.move(best);
  }

  move(index) {
    this.at = index === null ? null : Math.min(this.points.length - 1, Math.max(0, index));
    this.mark();
    this.describe();
  }

  key(event) {
    if (this.points.length === 0) return;
    const middle = this.run?.report?.suggestion ? this.points.findIndex((p) => p.lr >= this.run.report.suggestion.lr) : 0;
    const here = this.at ?? Math.max(0, middle);
    const to = {
      ArrowRight: here + 1, ArrowUp: here + 1, ArrowLeft: here - 1, ArrowDown: here - 1,
      PageUp: here + 10, PageDown: here - 10, Home: 0, End: this.points.length - 1,
    }[event.key];
    if (to !== undefined) this.move(this.at === null ? here : to);
    else if (event.key === 'Enter' || event.key === ' ') this.pick();
    else return;
    event.preventDefault();
  }

  pick() {
    if (this.at !== null && this.points[this.at]) this.choose(this.points[this.at].lr);
  }

  /** The cursor's line, and what is there. */
  mark() {
    const p = this.at === null ? null : this.points[this.at];
    if (!p || !this.frame) { this.cross.innerHTML = ''; this.readout.textContent = '\u00a0'; return; }
    const { x, y, top, bottom } = this.frame;
    const at = read(this.run).line[this.at];
    const dot = Number.isFinite(at) && y(at) > top ? `<circle cx="${x(p.lr)}" cy="${y(at)}" r="4"/>` : '';
    this.cross.innerHTML = `<path d="M${x(p.lr)} ${top}V${bottom}"/>${dot}`;
    this.readout.textContent = this.sentence(this.at);
  }

  /** "rate 0.117 · loss 2.13 · fit 2.14 · accuracy 39.1 %" of a point. */
  sentence(index) {
    const p = this.points[index];
    const parts = [`rate ${rate(p.lr)}`, `loss ${loss(p.loss)}`, `fit ${loss(read(this.run).line[index])}`];
    if (p.accuracy !== null) parts.push(`accuracy ${percent(p.accuracy)}`);
    return parts.join(' · ');
  }

  /** For a screen reader: a picture while it grows, a slider over its points once it is there. */
  describe() {
    const { host, run, points } = this;
    if (!run?.report || points.length === 0) {
      host.setAttribute('role', 'img');
      host.removeAttribute('tabindex');
      host.setAttribute('aria-label', points.length ? `Loss over the learning rate, ${points.length} rates so far` : 'Loss over the learning rate: nothing yet');
      return;
    }
    const at = this.at ?? 0;
    const attributes = {
      role: 'slider', tabindex: 0, 'aria-label': 'The curve, rate by rate; Enter trains with the rate',
      'aria-valuemin': 0, 'aria-valuemax': points.length - 1, 'aria-valuenow': at, 'aria-valuetext': this.sentence(at),
    };
    for (const [name, value] of Object.entries(attributes)) host.setAttribute(name, value);
  }
}
