// The form, as values; and the values in the page's address, so that a link carries them.

const NAMES = { sgd: 'SGD', momentum: 'SGD', nesterov: 'Nesterov', adam: 'Adam', adamw: 'AdamW' };

function optimizer(values) {
  const decay = values.decay === '' ? undefined : Number(values.decay);
  const first = Number(values.momentum);
  switch (values.optimizer) {
    case 'sgd': return { kind: 'sgd', momentum: 0, weightDecay: decay ?? 0 };
    case 'momentum': return { kind: 'sgd', momentum: first, weightDecay: decay ?? 0 };
    case 'nesterov': return { kind: 'sgd', momentum: first, nesterov: true, weightDecay: decay ?? 0 };
    case 'adam': return { kind: 'adam', beta1: first, weightDecay: decay ?? 0 };
    default: return { kind: 'adamw', beta1: first, weightDecay: decay ?? 0.01 };
  }
}

/** "64, 32" as [64, 32]; null for an empty field; throws what to write instead. */
function hiddenSizes(text) {
  if (text.trim() === '') return null;
  const sizes = text.split(/[\s,;]+/).filter(Boolean).map(Number);
  const fits = sizes.length >= 1 && sizes.length <= 6 && sizes.every((n) => Number.isInteger(n) && n >= 1 && n <= 2048);
  if (!fits) throw new RangeError('Sizes are one to six whole numbers from 1 to 2048, as in “128, 64”.');
  return sizes;
}

/** The model as the package takes it: its own, or layers of the sizes asked for. */
function layers(settings, classes) {
  if (settings.model === 'cnn' || !settings.hidden) return settings.model;
  const hidden = settings.hidden.flatMap((features) => [{ kind: 'linear', features }, { kind: 'relu' }]);
  return [{ kind: 'flatten' }, ...hidden, { kind: 'linear', features: classes }];
}

export class Settings {
  constructor(form) {
    this.form = form;
    this.usual = new Map(new FormData(form));
  }

  /** Sets fields by name, as a person would. */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.form.elements[name];
      if (!field) continue;
      if (field.type === 'checkbox') field.checked = value === true || value === 'on';
      else field.value = value;
    }
  }

  /** What every field holds now, as text. */
  get raw() {
    return Object.fromEntries(new FormData(this.form));
  }

  /** The fields as numbers and choices; null where something is wrong, after telling the reader what, at the field. */
  read(tell = true) {
    const { form } = this;
    const values = this.raw;
    const [from, to, hidden] = [form.elements.from, form.elements.to, form.elements.hidden];
    for (const field of [to, hidden]) field.setCustomValidity('');
    if (!(Number(values.to) > Number(values.from))) to.setCustomValidity('“To” must be larger than “From”.');
    let sizes = null;
    try { sizes = hiddenSizes(values.hidden); } catch (error) { hidden.setCustomValidity(error.message); }
    if (!form.checkValidity()) {
      if (!tell) return null;
      form.querySelector(':invalid').closest('details')?.setAttribute('open', '');
      form.reportValidity();
      return null;
    }
    const number = (name) => Number(values[name]);
    return {
      data: values.data, model: values.model, hidden: sizes, optimizer: optimizer(values), mode: values.mode,
      from: number('from'), to: number('to'), steps: number('steps'), batch: number('batch'), seed: number('seed'),
      seeds: number('seeds'), probe: values.probe === '' ? undefined : number('probe'), verify: values.verify === 'on',
      name: this.name(values, sizes),
    };
  }

  /** "CNN, digits, SGD 0.9": a row of the table of runs. */
  name(values, sizes) {
    const model = values.model === 'cnn' ? 'CNN' : `MLP${sizes ? ` ${sizes.join('-')}` : ''}`;
    const momentum = values.optimizer === 'sgd' ? '' : ` ${Number(values.momentum)}`;
    return `${model}, ${values.data === 'csv' ? 'CSV' : values.data}, ${NAMES[values.optimizer]}${momentum}, batch ${Number(values.batch)}`;
  }

  /** Takes the settings out of the page's address. */
  fromAddress() {
    this.set(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
  }

  /** Writes what differs from the usual into the page's address. */
  toAddress() {
    const values = new FormData(this.form);
    const changed = new URLSearchParams();
    for (const [name, value] of values) {
      if (typeof value === 'string' && name !== 'target' && this.usual.get(name) !== value) changed.set(name, value);
    }
    if (this.usual.has('verify') && !values.has('verify')) changed.set('verify', 'off');
    history.replaceState(null, '', changed.size ? `#${changed}` : location.pathname + location.search);
  }
}

export { layers };
