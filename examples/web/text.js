// What the page says about the modes, and what a learner asks. docs/modes.md has the measurements behind it.

export const MODES = [
  ['sweep', 'Sweep', 'a new batch each step',
    'A new batch at each step, and the weights move: rate, batch and learning together. This is Smith’s test, and the one to use first.'],
  ['same-batch', 'Same batch', 'no noise between batches',
    'One batch throughout, and the weights move: what is left of the noise was not the batch’s. It learns that batch by heart, so read where the loss falls, not how far.'],
  ['restart', 'Restart', 'no learning before',
    'Each rate starts from the same weights, on the same batches: what a few updates do, whatever the rates before did.'],
  ['frozen', 'Frozen', 'the weights never move',
    'The loss along one update, by forward passes only: the landscape, to look at and not to choose by.'],
  ['replicas', 'Replicas', 'a copy for each rate',
    'Each rate trains a copy of its own, all on the same batches: a search over rates, done side by side.'],
  ['all', 'All five', 'one after the other',
    'The five modes on one picture: where they agree, the answer does not hang on how it was asked.'],
];

/** Question, answer, and what shows it: [words of the button, settings of the form]. */
export const QUESTIONS = [
  ['Why the loss, and not the accuracy?',
    'Both are drawn. On a batch of 64 the accuracy moves in steps of 1/64 and late, and a regression has none, so the suggestion is read from the loss.',
    ['Sweep, and compare the lines', { mode: 'sweep' }]],
  ['Is it the rate, the batch, or the learning?',
    'All three change along a sweep. “Same batch” holds the batch still, “restart” the learning, “frozen” the weights; where their falls lie together, it is the rate.',
    ['Run all five', { mode: 'all' }]],
  ['Are the weights updated and put back?',
    'Yes, both: a rate is judged by what its updates do. Weights, optimizer state and random numbers are copied on the GPU before, and copied back after, also when you cancel. This page reads the weights before and after, and counts those that differ.',
    null],
  ['Could one do without updating?',
    '“Frozen” does, by forward passes along one update. But one step on one batch knows nothing of the other batches, of momentum, or of the second step, so its best rate is none to train with.',
    ['Look along one update', { mode: 'frozen' }]],
  ['What of momentum?',
    'A suggestion holds for the momentum it was measured with. Keep this curve, change the momentum, and see where the fall goes.',
    ['Sweep without momentum', { mode: 'sweep', optimizer: 'sgd' }]],
  ['What of annealing?',
    'The suggestion is for a constant rate. A one-cycle schedule spends little time at its peak and bears more: the short runs say how much, and without them training takes three times the suggestion for it.',
    null],
  ['And optimizers that need no rate?',
    'D-Adaptation, Prodigy, schedule-free and the like: not included here, and not compared. Adam and AdamW still need one; their fall lies lower.',
    ['Sweep with Adam', { mode: 'sweep', optimizer: 'adam' }]],
];
