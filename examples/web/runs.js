// What is said of a finished run, and the table of runs to compare.

import { MODES } from './text.js';
import { count, escape, percent, loss, rate, seconds } from './format.js';

const modeOf = (key) => MODES.find(([name]) => name === key);

/** "Same batch". */
export const modeName = (key) => modeOf(key)[1];

/** The rate that a run gives a training under `schedule`, and whence; null where it found none. */
export function trainingRate({ learningRate, oneCyclePeak, suggestion, verification }, schedule) {
  const peak = schedule === 'one-cycle';
  const lr = peak ? oneCyclePeak : learningRate;
  if (lr === null) return null;
  const what = peak ? 'the peak of a one-cycle' : 'the rate for a constant schedule';
  if (verification?.lr) return { lr, from: `What the short runs chose: ${what}`, short: 'what the short runs chose' };
  if (!peak) return { lr, from: 'What the curve suggests', short: 'what the curve suggests' };
  return { lr, from: `The peak of a one-cycle: three times the curve’s ${rate(suggestion.lr)}, since it spends little time there`, short: 'the peak for a one-cycle' };
}

/** The report's words as a sentence of the page, which writes no rate as 1.17e-1. */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`.replace(/\d(\.\d+)?e-?\d+/g, (number) => rate(Number(number)));

function verified(report) {
  const tried = report.verification;
  if (!tried) return '';
  if (!tried.lr) return `<p class="said"><b>Short runs chose none</b>: ${escape(tried.reason)}.</p>`;
  const best = tried.runs.filter((r) => r.good).reduce((a, b) => (b.loss < a.loss ? b : a));
  const held = `held-out loss down to ${loss(best.loss)}${best.accuracy === null ? '' : `, accuracy ${percent(best.accuracy)}`}`;
  const range = tried.low < tried.high ? `rates from ${rate(tried.low, 2)} to ${rate(tried.high, 2)} are good` : `only ${rate(tried.low, 2)} is good`;
  return `<p class="said"><b>Short runs chose ${rate(tried.lr)}</b> for a constant rate, <b>${rate(tried.oneCyclePeak)}</b> as the peak of a one-cycle: ${range}, ${held}.</p>`;
}

function putBack(run) {
  if (run.compared === undefined) return '';
  return run.differing === 0
    ? `<p class="fact good">Put back: ${count(run.compared)} weights compared with those before, none differs.</p>`
    : `<p class="fact bad">${count(run.differing)} of ${count(run.compared)} weights differ from those before.</p>`;
}

/** What the five modes say of each other; null unless all of them are there. */
function together(runs, sweep) {
  const others = MODES.map(([key]) => runs.find((r) => r.mode === key && r.settings === sweep.settings)).filter((r) => r && r !== sweep);
  if (others.length < 4 || !sweep.report.suggestion) return '';
  const { low, high } = sweep.report.suggestion;
  const where = ({ report }) => (!report.suggestion ? 'none' : report.suggestion.lr < low ? 'below' : report.suggestion.lr > high ? 'above' : 'inside');
  const names = (place) => others.filter((r) => where(r) === place).map((r) => modeName(r.mode).toLowerCase()).join(' and ');
  const parts = [['inside', 'within the sweep’s interval'], ['below', 'below it'], ['above', 'above it'], ['none', 'no suggestion']];
  const said = parts.filter(([place]) => names(place)).map(([place, says]) => `${names(place)}: ${says}`);
  return `<p class="fact"><b>The five together.</b> ${said.join('; ').replace(/^./, (c) => c.toUpperCase())}.</p>`;
}

/** The answer of a run, as markup; `runs` are all there are. */
export function answer(run, runs) {
  const { report } = run;
  const mode = `<p class="fact"><b>${modeName(run.mode)}.</b> ${modeOf(run.mode)[3]}</p>`;
  const facts = `<div class="facts">${mode}${together(runs, run)}${putBack(run)}</div>`;
  if (!report.suggestion) {
    const { reason, advice } = report.refusal ?? { reason: 'the curve allows no suggestion' };
    const alone = report.verification?.lr;
    const number = alone ? `<p class="number">${rate(alone)}</p><div><p class="span">by short runs alone</p>` : '<p class="number none">none</p><div>';
    // The advice names the fields of an options object; the form names its own.
    const todo = advice ? ` ${escape(sentence(advice.replace(/ \([a-zA-Z, ]+\)/g, '')))}` : '';
    return `${number}<p class="said"><b>No suggestion by the curve.</b> ${escape(sentence(reason))}${todo}</p>
      ${verified(report)}</div>${facts}`;
  }
  // As in the command: the rate that was tried wins over the one that was read.
  const { lr, low, high, reason } = report.suggestion;
  const interval = `from ${rate(low, 2)} to ${rate(high, 2)}`;
  const alike = Math.abs(report.learningRate / lr - 1) < 1e-9;
  return `<p class="number">${rate(report.learningRate)}</p><div><p class="span">${alike ? interval : `by short runs; by the curve ${rate(lr)}, ${interval}`}</p>
    <p class="said">${escape(sentence(reason))}</p>${verified(report)}</div>${facts}`;
}

/** The table: one row a run, with a name that shows it and a box that keeps its curve in the picture. */
export function table(host, runs, current, { keep, show }) {
  if (runs.length === 0) { host.textContent = ''; return; }
  const row = (run) => {
    const { suggestion, verification } = run.report;
    const colour = run === current ? 'now' : `keep${run.colour}`;
    return `<tr><th scope="row"><i class="swatch ${colour}"></i>${run === current ? modeName(run.mode) : `<button type="button" class="link" data-show="${run.id}">${modeName(run.mode)}</button>`}<span class="more">${escape(run.settings.name)}</span></th>
      <td>${suggestion ? rate(suggestion.lr) : 'none'}</td>
      <td class="wide">${suggestion ? `${rate(suggestion.low, 2)} to ${rate(suggestion.high, 2)}` : '–'}</td>
      <td>${verification?.lr ? rate(verification.lr) : '–'}</td>
      <td class="wide">${seconds(run.report.seconds)}</td>
      <td><input type="checkbox" data-run="${run.id}" ${run.kept ? 'checked' : ''} aria-label="Keep this curve: ${modeName(run.mode)}, ${escape(run.settings.name)}"></td></tr>`;
  };
  host.innerHTML = `<table class="runs"><thead><tr><th scope="col">Run</th><th scope="col">Suggested</th><th scope="col" class="wide">Interval</th>
    <th scope="col">Short runs</th><th scope="col" class="wide">Time</th><th scope="col">Keep</th></tr></thead><tbody>${runs.map(row).join('')}</tbody></table>`;
  host.querySelectorAll('input').forEach((box) => box.addEventListener('change', () => keep(Number(box.dataset.run), box.checked)));
  host.querySelectorAll('button').forEach((name) => name.addEventListener('click', () => show(Number(name.dataset.show))));
}
