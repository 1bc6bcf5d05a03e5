// The page: what is pressed, what runs, what is shown. One job at a time.

import init, { Model } from './pkg/rangefinder.js';
import { Curve } from './curve.js';
import { describe, load, preview, readCsv } from './data.js';
import { escape, field, loss, percent, count, rate, seconds } from './format.js';
import { openGpu } from './gpu.js';
import { LossChart } from './progress.js';
import { answer, modeName, table, trainingRate } from './runs.js';
import { safetensors, save } from './save.js';
import { Settings, layers } from './settings.js';
import { MODES, QUESTIONS } from './text.js';
import { dark } from './theme.js';
import { viewOf } from './views.js';

const KEPT_COLOURS = 5;
const $ = (id) => document.getElementById(id);
const [form, training, go, trainGo] = ['settings', 'training', 'go', 'train-go'].map($);

const state = {
  gpu: null, data: null, csv: null, model: null, trained: false, run: null, runs: [], view: null, job: null, last: null,
  own: false, // the rate to train with is the reader's
  warming: Promise.resolve(),
};

$('modes').innerHTML = MODES.map(([key, name, says], i) =>
  `<label><input type="radio" name="mode" value="${key}" ${i ? '' : 'checked'}><span><b>${name}</b> ${says}</span></label>`).join('');
$('answers').innerHTML = QUESTIONS.map(([question, says, show], i) =>
  `<div><dt>${question}</dt><dd>${says}${show ? ` <button type="button" class="link" data-question="${i}">${show[0]}</button>` : ''}</dd></div>`).join('');

const settings = new Settings(form);
const chart = new LossChart($('loss'));
const curve = new Curve($('curve'), $('readout'), (lr) => {
  if (state.job || !state.run?.report) return;
  training.elements.lr.value = field(lr);
  own(true);
});

// The rate to train with: what the run that is shown gives the schedule that is chosen, or the reader's own.

function own(on) {
  state.own = on;
  propose();
}

function propose() {
  const { lr, schedule } = training.elements;
  const found = state.run?.report ? trainingRate(state.run.report, schedule.value) : null;
  if (found && !state.own) lr.value = field(found.lr);
  const says = state.own ? 'Your own rate.' : found ? `${found.from}. A click on the curve takes another.` : 'A guess, until a curve says more.';
  const back = found && state.own ? ` <button type="button" class="link">Take ${rate(found.lr)}, ${found.short}</button>` : '';
  $('rate-from').innerHTML = says + back;
}

// Notices.

function notice(title, detail, extra = '', button = null) {
  const box = $('notice');
  box.innerHTML = `<h2>${escape(title)}</h2><p>${escape(detail)}</p>${extra}`;
  if (button) {
    const again = Object.assign(document.createElement('button'), { type: 'button', className: 'primary', textContent: button.text });
    again.addEventListener('click', () => { box.hidden = true; button.press(); });
    box.append(again);
  }
  box.hidden = false;
  box.scrollIntoView({ block: 'nearest' });
}

const sentence = (error) => [error.message ?? String(error), error.advice].filter(Boolean).join(' ');

// The GPU.

async function open() {
  try {
    $('device').textContent = 'looking for a GPU';
    const gpu = (state.gpu = await openGpu());
    $('device').textContent = gpu.description;
    gpu.lost.then((why) => { if (state.gpu === gpu) lost(why); });
  } catch (problem) {
    state.gpu = null;
    $('device').textContent = 'no GPU';
    if (!problem.title) throw problem;
    notice(problem.title, problem.detail, problem.help, navigator.gpu ? { text: 'Look again', press: open } : null);
  }
  buttons();
  warm();
}

function lost(reason) {
  const interrupted = state.job ? state.last : null;
  state.job?.end(new Error('The GPU was lost.'));
  [state.gpu, state.model, state.trained] = [null, null, false];
  $('device').textContent = 'GPU lost';
  buttons();
  const again = async () => { await open(); if (state.gpu && interrupted) interrupted(); };
  notice('The GPU was lost', `The browser took it away${reason ? `: ${reason.replace(/\.$/, '')}` : ''}. What is drawn stays; a new start usually works.`, '',
    { text: interrupted ? 'Open it again and repeat the run' : 'Open it again', press: again });
}

// The data.

function reload() {
  if (state.job) return;
  const values = settings.raw;
  const [csv, about] = [values.data === 'csv', $('about-data')];
  $('csv').hidden = !csv;
  $('target-row').hidden = !state.csv?.columns.length;
  const old = state.data;
  state.data = null;
  about.className = 'hint';
  about.removeAttribute('role');
  if (csv && !state.csv) {
    about.textContent = '';
    $('preview').hidden = true;
  } else {
    try {
      state.data = load({ data: values.data, seed: Number(values.seed) || 0 }, state.csv);
      about.textContent = (csv ? `${state.csv.name}: ` : '') + describe(state.data);
      $('preview').hidden = false;
      preview($('preview'), state.data);
    } catch (error) {
      bad(sentence(error));
    }
  }
  state.warming.then(() => old?.free());
  if (state.data) {
    const images = state.data.all.shape.length === 3;
    form.elements.model.forEach((radio) => { if (radio.value === 'cnn') radio.disabled = !images; });
    if (!images && form.elements.model.value === 'cnn') form.elements.model.value = 'mlp';
    form.elements.hidden.placeholder = images ? '128, 64' : '64, 32';
    state.view = viewOf($('view'), state.data);
  }
  depend();
}

/** Something is wrong with the data: said where the data are chosen. */
function bad(message) {
  const about = $('about-data');
  about.className = 'hint error';
  about.setAttribute('role', 'alert');
  about.textContent = message;
  $('preview').hidden = true;
  about.scrollIntoView({ block: 'nearest' });
}

async function take(file) {
  if (!file || state.job) return;
  try {
    state.csv = await readCsv(file);
    $('target').innerHTML = state.csv.columns.map((name, i, all) =>
      `<option ${i === all.length - 1 ? 'selected' : ''}>${escape(name)}</option>`).join('');
    form.elements.data.value = 'csv';
    reload();
  } catch (error) {
    [state.csv, form.elements.data.value] = [null, 'csv'];
    reload();
    bad(sentence(error));
  }
}

/** Shows and names what the choices call for. */
function depend() {
  const values = settings.raw;
  $('hidden-row').hidden = values.model !== 'mlp';
  $('about-model').textContent = values.model === 'mlp'
    ? 'ReLU between them; empty takes the sizes shown.'
    : 'Two convolutions of 3 × 3 with pooling, two dense layers.';
  $('momentum-row').hidden = values.optimizer === 'sgd';
  $('momentum-name').textContent = values.optimizer.startsWith('adam') ? 'Beta 1' : 'Momentum';
  buttons();
}

function buttons() {
  const { job } = state;
  const ready = state.gpu && state.data;
  go.textContent = job?.kind === 'find' ? 'Cancel' : 'Find the learning rate';
  trainGo.textContent = job?.kind === 'train' ? 'Cancel' : 'Train';
  go.disabled = job ? job.kind !== 'find' : !ready;
  trainGo.disabled = job ? job.kind !== 'train' : !ready;
  go.classList.toggle('cancel', job?.kind === 'find');
  trainGo.classList.toggle('cancel', job?.kind === 'train');
  form.querySelectorAll('fieldset').forEach((set) => { set.disabled = Boolean(job); });
  document.querySelectorAll('[data-question]').forEach((button) => { button.disabled = !ready || Boolean(job); });
  document.querySelectorAll('[data-save]').forEach((button) => { button.disabled = !state.run?.report; });
  $('under').hidden = job?.kind !== 'train';
  $('weights').disabled = Boolean(job) || !state.trained;
}

// Jobs.

/**
 * Runs `work(signal)` as the one job; `failed(error, cancelled)` is told what went wrong. A cancel, or the loss of the GPU, ends
 * the job at once for the reader: the device is left to finish what it was given, and what it says later is not listened to.
 */
async function run(kind, work, failed) {
  if (state.job) return;
  const controller = new AbortController();
  const ended = new Promise((_, reject) => { controller.signal.addEventListener('abort', () => reject(controller.signal.reason)); });
  const end = (reason) => controller.abort(reason);
  state.job = { kind, end, cancel: () => end(new DOMException('cancelled', 'AbortError')) };
  document.body.dataset.job = kind;
  buttons();
  try {
    await Promise.race([work(controller.signal), ended]);
  } catch (error) {
    // What failed by the loss of the GPU is told before the loss: let that find the job that it ends.
    if (/^device/.test(error.code)) await new Promise((resolve) => { setTimeout(resolve, 200); });
    failed(error, error.name === 'AbortError');
  } finally {
    state.job = null;
    delete document.body.dataset.job;
    for (const id of ['progress', 'train-progress']) $(id).value = 0;
    buttons();
  }
}

/** A model with its starting weights. */
function create(values) {
  const { train, heldOut } = state.data;
  return Model.create({
    gpu: state.gpu, data: train, heldOut, model: layers(values, train.classes), optimizer: values.optimizer, batch: values.batch, seed: values.seed,
  });
}

/** As the one that is worked on. */
async function fresh(values) {
  state.model?.free();
  [state.model, state.trained] = [null, false];
  return (state.model = await create(values));
}

/**
 * Compiles the kernels that the settings call for while nobody waits for them: models on a GPU share them. What goes wrong is
 * told by the run that it goes wrong in.
 */
function warm() {
  const ahead = async () => {
    const values = state.gpu && state.data && !state.job ? settings.read(false) : null;
    if (!values) return;
    let model = null;
    try {
      model = await create(values);
      await model.warmUp();
      document.body.dataset.warm = 'yes';
    } catch { /* see above */ } finally {
      model?.free();
    }
  };
  delete document.body.dataset.warm;
  state.warming = state.warming.then(ahead);
}

/** How many numbers differ in their bits. */
function differing(before, after) {
  let [compared, found] = [0, 0];
  for (const [name, values] of Object.entries(before)) {
    const [a, b] = [values, after[name]].map((v) => new Uint32Array(v.buffer, v.byteOffset, v.length));
    compared += a.length;
    a.forEach((word, i) => { found += word !== b[i]; });
  }
  return { compared, differing: found };
}

function find(values) {
  state.last = () => find(values);
  const modes = values.mode === 'all' ? MODES.map(([key]) => key).filter((key) => key !== 'all') : [values.mode];
  return run('find', async (signal) => {
    const model = await fresh(values);
    $('cost').textContent = '';
    for (const mode of modes) {
      await findOne(model, mode, values, signal);
      if (modes.length > 1) keep(state.run, true);
    }
    if (modes.length > 1) show(state.runs.find((r) => r.settings === values));
  }, (error, cancelled) => {
    if (!state.run?.report) state.run = state.runs.at(-1) ?? null;
    curve.show(state.run, kept());
    $('answer').innerHTML = cancelled
      ? '<p class="number faint">–</p><p class="said">Cancelled. The model is as it was before the run.</p>'
      : `<p class="number faint">–</p><p class="said error">${escape(sentence(error))}</p>`;
    $('status').textContent = '\u00a0';
  });
}

async function findOne(model, mode, values, signal) {
  state.runs = state.runs.filter((r) => r.kept);
  const now = { id: Date.now() + Math.random(), mode, settings: values, points: [], report: null, kept: false, colour: 0 };
  state.run = now;
  curve.show(now, kept());
  table($('runs'), state.runs, now, { keep: keepById, show: showById });
  $('answer').innerHTML = `<p class="number faint">…</p><p class="said">${modeName(mode)}: raising the rate from ${rate(values.from)} to ${rate(values.to)}.</p>`;
  $('status').textContent = `${modeName(mode)}: compiling kernels`;
  const before = await model.weights();
  const several = mode === 'sweep' || mode === 'same-batch';
  const probing = mode === 'restart' || mode === 'replicas';
  const options = {
    mode, from: values.from, to: values.to, steps: values.steps, verify: values.verify, signal,
    ...(several && values.seeds > 1 ? { seeds: values.seeds } : {}), ...(probing && values.probe ? { probe: values.probe } : {}),
  };
  const report = await model.find(options, (p) => {
    if (signal.aborted) return;
    now.points.push(...p.points);
    curve.refresh();
    $('progress').max = p.steps;
    $('progress').value = p.step;
    $('status').textContent = `${modeName(mode)}: ${p.stage === 'verify' ? 'short runs, step' : 'step'} ${p.step} of ${p.steps}`;
  });
  Object.assign(now, differing(before, await model.weights()), { report, points: report.points });
  now.parameters = model.parameters;
  state.runs.push(now);
  $('status').textContent = '\u00a0';
  show(now);
}

/** Makes a finished run the one that is drawn, told and trained with. */
function show(one) {
  state.run = one;
  curve.show(one, kept());
  $('answer').innerHTML = answer(one, state.runs);
  $('cost').textContent = `${count(one.points.length)} rates in ${seconds(one.report.seconds)}, ${count(one.parameters)} parameters`;
  table($('runs'), state.runs, one, { keep: keepById, show: showById });
  propose();
}

/** Runs whose curves stay in the picture. */
function kept() {
  return state.runs.filter((r) => r.kept);
}

function keep(one, on) {
  one.kept = on;
  if (on) {
    const taken = kept().filter((r) => r !== one).map((r) => r.colour);
    one.colour = [...Array(KEPT_COLOURS).keys()].find((c) => !taken.includes(c)) ?? state.runs.indexOf(one) % KEPT_COLOURS;
  }
  if (!on && one !== state.run) state.runs = state.runs.filter((r) => r !== one);
  curve.show(state.run, kept());
  table($('runs'), state.runs, state.run, { keep: keepById, show: showById });
}

function keepById(id, on) {
  keep(state.runs.find((r) => r.id === id), on);
  $('runs').querySelector(`[data-run="${id}"]`)?.focus();
}

function showById(id) {
  const one = state.runs.find((r) => r.id === id);
  if (!one || state.job) return;
  state.runs = state.runs.filter((r) => r.kept || r === one);
  show(one);
  $('runs').querySelector(`[data-run="${id}"]`)?.focus();
}

/** Trains in pieces of about a quarter of a second, and looks at what the model makes of the data between them. */
function train(values, plan) {
  state.last = () => train(values, plan);
  return run('train', async (signal) => {
    const model = await fresh(values);
    const { train: data, heldOut } = state.data;
    const steps = plan.epochs * Math.floor(data.length / values.batch);
    if (steps < 1) throw new RangeError(`A batch of ${values.batch} is larger than the ${data.length} samples to train on.`);
    chart.clear(steps);
    const at = `at a rate ${plan.schedule === 'constant' ? 'of' : 'up to'} ${rate(plan.lr)}`;
    $('trained').textContent = `Training ${count(steps)} steps ${at}.`;
    $('train-status').textContent = 'compiling kernels';
    const started = performance.now();
    let piece = Math.min(8, steps);
    let end = null;
    let from = 0;
    while (from < steps) {
      const began = performance.now();
      const until = Math.min(steps, from + piece);
      end = await model.train({ ...plan, data, heldOut, from, until, signal }, (p) => {
        if (signal.aborted) return;
        chart.add(p.points);
        $('train-progress').max = steps;
        $('train-progress').value = p.step;
        $('train-status').textContent = `step ${p.step} of ${steps}, loss ${loss(p.loss)}`;
      });
      const fine = until === steps;
      const probabilities = await model.predict(state.view.inputs(fine));
      signal.throwIfAborted();
      state.view.paint(probabilities, fine);
      if (!Number.isFinite(end.loss)) throw new RangeError(`The loss is no number any more after step ${until}: this rate is too large.`);
      piece = Math.max(1, Math.min(piece * 3, Math.round((piece * 250) / (performance.now() - began))));
      from = until;
    }
    state.trained = true;
    const took = seconds((performance.now() - started) / 1000);
    $('trained').innerHTML = `<b>${percent(end.heldOutAccuracy)} right on held-out data</b>, after ${count(steps)} steps ${at} in ${took}; training loss ${loss(end.loss)}.`;
  }, (error, cancelled) => {
    $('trained').textContent = cancelled ? 'Cancelled.' : sentence(error);
  });
}

function plan() {
  const { lr, epochs, schedule } = training.elements;
  if (!training.reportValidity()) return null;
  return { lr: Number(lr.value), epochs: Number(epochs.value), schedule: schedule.value };
}

// What is pressed.

form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (state.job) { state.job.cancel(); return; }
  const values = settings.read();
  if (!values) return;
  find(values);
  if (matchMedia('(max-width: 860px)').matches) $('find').scrollIntoView();
});
training.addEventListener('submit', (event) => {
  event.preventDefault();
  if (state.job) { state.job.cancel(); return; }
  const [values, how] = [settings.read(), plan()];
  if (values && how) train(values, how);
});
training.elements.lr.addEventListener('input', (event) => own(event.target.value !== ''));
training.elements.schedule.addEventListener('change', propose);
$('rate-from').addEventListener('click', (event) => { if (event.target.matches('button')) { own(false); training.elements.lr.focus(); } });
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') state.job?.cancel(); });

form.addEventListener('change', (event) => {
  const { name } = event.target;
  if (event.target.id === 'file') { take(event.target.files[0]); event.target.value = ''; return; }
  if (name === 'target') state.csv.target = event.target.value;
  if (name === 'data' && form.elements.data.value === 'digits') form.elements.model.value = 'cnn';
  if (['data', 'seed', 'target'].includes(name)) reload();
  else depend();
  settings.toAddress();
  warm();
});

$('answers').addEventListener('click', (event) => {
  const show = QUESTIONS[event.target.dataset.question]?.[2];
  if (!show || state.job) return;
  settings.set(show[1]);
  depend();
  settings.toAddress();
  const values = settings.read();
  if (!values) return;
  if (state.run?.report) keep(state.run, true);
  $('find').scrollIntoView();
  $('find').focus({ preventScroll: true });
  find(values);
});

document.querySelector('.saves').addEventListener('click', (event) => {
  const { report, mode, settings: values } = state.run ?? {};
  const name = `rangefinder-${values?.data}-${mode}`;
  switch (event.target.dataset.save) {
    case 'svg': save(`${name}.svg`, 'image/svg+xml', report.toSvg({ dark: dark.matches })); break;
    case 'csv': save(`${name}.csv`, 'text/csv', report.toCsv()); break;
    case 'json': save(`${name}.json`, 'application/json', report.toJson()); break;
    default:
  }
});
$('weights').addEventListener('click', async () => {
  const weights = await state.model.weights();
  save('rangefinder-weights.safetensors', 'application/octet-stream', safetensors(weights, await state.model.shapes()));
});

let over = 0; // how deep a dragged file is in nested elements
const files = (event) => event.dataTransfer?.types.includes('Files');
document.addEventListener('dragenter', (event) => { if (files(event)) { over++; $('drop').hidden = false; } });
document.addEventListener('dragleave', (event) => { if (files(event) && --over <= 0) { over = 0; $('drop').hidden = true; } });
document.addEventListener('dragover', (event) => { if (files(event)) event.preventDefault(); });
document.addEventListener('drop', (event) => {
  if (!files(event)) return;
  event.preventDefault();
  over = 0;
  $('drop').hidden = true;
  take(event.dataTransfer.files[0]);
});

dark.addEventListener('change', () => {
  if (state.data && !$('preview').hidden) preview($('preview'), state.data);
  if (state.view?.last) state.view.paint(...state.view.last);
  else if (state.data) state.view = viewOf($('view'), state.data);
});

// The start.

settings.fromAddress();
curve.show(null, []);
chart.refresh();
propose();
try {
  await init();
  reload();
  await open();
} catch (error) {
  notice('The page could not start', sentence(error), '', { text: 'Load it again', press: () => location.reload() });
}
document.body.dataset.ready = 'yes';
