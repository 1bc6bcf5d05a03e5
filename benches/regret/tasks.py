"""Trains 17 small tasks at 29 constant rates and 29 one-cycle peaks, and draws range-test curves of each: what a
suggested rate is judged by. numpy alone, so that it shares nothing with the engine under test.

    python -m venv .venv && .venv/bin/pip install -r benches/regret/requirements.txt
    .venv/bin/python benches/regret/tasks.py tasks.json          about a minute

The file holds, for each task: `truth`, the validation loss after a fixed budget, for three seeds, every rate, and both
schedules (null: it blew up); `curves`, range tests with other seeds, 100 and 200 steps from 1e-7 to 10, raw losses up to
the first that is not finite; `verify`, the validation loss after 60, 200 and 240 updates at every rate from the curves' own start.
Seeds fix everything; another BLAS may round otherwise, and move the last digit of a mean.
"""

import json
import math
import sys
from dataclasses import dataclass

import numpy as np
from sklearn import datasets

TRUTH_SEEDS, CURVE_SEEDS = (1, 2, 3), (11, 12, 13)
RATES = 10.0 ** np.arange(-6, 1.01, 0.25)
VERIFY_STEPS = 60, 200, 240


@dataclass
class Task:
    name: str
    x: np.ndarray
    y: np.ndarray
    classes: int  # 0: a regression
    hidden: list
    activation: str
    optimizer: str
    batch: int
    steps: int
    pretrained: bool = False  # a short training comes before everything


def standardised(x):
    return (x - x.mean(0)) / (x.std(0) + 1e-8)


def spirals(n, random):
    t = random.rand(n) * 3 * np.pi
    arm = random.randint(0, 2, n)
    x = np.c_[t * np.cos(t + arm * np.pi), t * np.sin(t + arm * np.pi)]
    return x / 5 + random.randn(n, 2) * 0.05, arm


def tasks():
    random = np.random.RandomState(7)
    digits, wine, cancer = datasets.load_digits(), datasets.load_wine(), datasets.load_breast_cancer()
    friedman = datasets.make_friedman1(1200, noise=1.0, random_state=1)
    four = datasets.make_classification(1500, 20, n_informative=8, n_classes=4, random_state=3, flip_y=0.05)
    noisy = datasets.make_classification(1500, 30, n_informative=5, random_state=5, flip_y=0.3)
    hidden, out, teacher = random.randn(16, 32), random.randn(32), random.randn(1500, 16)
    taught = np.tanh(teacher @ hidden / 4) @ out / 4
    blobs = datasets.make_blobs(900, 8, centers=6, cluster_std=4.0, random_state=2)
    arms = spirals(1200, random)
    line = random.uniform(-1, 1, (800, 1))
    sine = np.sin(6 * line[:, 0]) + 0.1 * random.randn(800)
    pixels, target = digits.data / 16, digits.target
    features = standardised(cancer.data)
    return [
        Task("wine_mlp_sgd", standardised(wine.data), wine.target, 3, [16], "relu", "sgd", 16, 300),
        Task("wine_raw_adam", wine.data / 10, wine.target, 3, [16], "relu", "adam", 16, 300),
        Task("friedman_mlp_adam", standardised(friedman[0]), friedman[1] / 5, 0, [32, 32], "relu", "adam", 32, 400),
        Task("friedman_raw_sgdm", *friedman, 0, [32], "relu", "sgdm", 32, 400),
        Task("four_mlp_sgdm", standardised(four[0]), four[1], 4, [64], "relu", "sgdm", 64, 400),
        Task("four_mlp_adam_b8", standardised(four[0]), four[1], 4, [32], "relu", "adam", 8, 400),
        Task("noisylabel_linear_sgd", standardised(noisy[0]), noisy[1], 2, [], "relu", "sgd", 32, 400),
        Task("teacher_mlp_sgdm", teacher, taught, 0, [32], "tanh", "sgdm", 32, 500),
        Task("teacher_mlp_adam", teacher, taught, 0, [64, 64], "relu", "adam", 64, 500),
        Task("digits_mlp_sgd", pixels, target, 10, [64, 32], "relu", "sgd", 32, 500),
        Task("digits_mlp_adam_b16", pixels, target, 10, [32], "tanh", "adam", 16, 400),
        Task("spirals_mlp_adam", *arms, 2, [64, 64], "relu", "adam", 32, 500),
        Task("sine_mlp_adam", line, sine, 0, [64], "tanh", "adam", 32, 500),
        Task("blobs_linear_sgdm", standardised(blobs[0]), blobs[1], 6, [], "relu", "sgdm", 32, 300),
        Task("cancer_mlp_adam", features, cancer.target, 2, [32], "relu", "adam", 32, 300),
        Task("cancer_mlp_sgdm", features, cancer.target, 2, [32], "tanh", "sgdm", 32, 300),
        Task("digits_finetune_sgdm", pixels, target, 10, [64], "relu", "sgdm", 64, 300, pretrained=True),
    ]


class Trainer:
    """One task, shuffled and split three to one; runs of many models side by side, each with its seed and its rates."""

    def __init__(self, task):
        self.task = task
        order = np.random.RandomState(0).permutation(len(task.x))
        x, y, n = task.x[order], task.y[order], len(order) * 3 // 4
        centre = 0 if task.classes else y[:n].mean()
        self.x, self.y, self.held_x, self.held_y = x[:n], y[:n] - centre, x[n:], y[n:] - centre
        self.sizes = [x.shape[1], *task.hidden, task.classes or 1]
        self.start = {seed: self.initial(seed) for seed in TRUTH_SEEDS + CURVE_SEEDS}
        if task.pretrained:
            for seed in self.start:
                layers = self.run(np.full((25, 1), 0.02), [seed])[2]
                self.start[seed] = [(w[0], b[0]) for w, b in layers]

    def initial(self, seed):
        random = np.random.RandomState(seed)
        last = len(self.sizes) - 2

        def layer(i, fan_in, fan_out):
            gain = math.sqrt(2) if self.task.activation == "relu" and i < last else 1
            return random.randn(fan_in, fan_out) * gain / math.sqrt(fan_in), np.zeros(fan_out)

        return [layer(i, a, b) for i, (a, b) in enumerate(zip(self.sizes, self.sizes[1:]))]

    def order(self, seed, steps):
        """Rows of a run: whole batches of one permutation after another."""
        n, batch = len(self.x), self.task.batch
        whole = n // batch * batch
        epochs = steps * batch // whole + 1
        shuffled = [np.random.RandomState(1000 + seed * 77 + e).permutation(n)[:whole] for e in range(epochs)]
        return np.concatenate(shuffled).reshape(-1, batch)

    def forward(self, layers, x):
        """Inputs of every layer, and the output; (models, rows, features)."""
        relu = self.task.activation == "relu"
        values = [x]
        for i, (w, b) in enumerate(layers):
            z = values[-1] @ w + b[:, None]
            hidden = i < len(layers) - 1
            values.append((np.maximum(z, 0) if relu else np.tanh(z)) if hidden else z)
        return values

    def loss(self, z, y):
        """Mean loss of each model, its gradient, and the accuracy."""
        rows = y.shape[-1]
        if not self.task.classes:
            off = z[..., 0] - y
            return (off * off).mean(-1), (2 * off / rows)[..., None], None
        z = z - z.max(-1, keepdims=True)
        e = np.exp(z)
        total = e.sum(-1, keepdims=True)
        right = y[..., None]
        loss = -np.take_along_axis(z - np.log(total), right, -1)[..., 0]
        gradient = e / total
        np.put_along_axis(gradient, right, np.take_along_axis(gradient, right, -1) - 1, -1)
        return loss.mean(-1), gradient / rows, (z.argmax(-1) == y).mean(-1)

    def backward(self, layers, values, gradient):
        """(weight, bias) gradients of every layer."""
        found = [None] * len(layers)
        for i in range(len(layers) - 1, -1, -1):
            found[i] = (values[i].transpose(0, 2, 1) @ gradient, gradient.sum(1))
            if i:
                slope = values[i] > 0 if self.task.activation == "relu" else 1 - values[i] ** 2
                gradient = (gradient @ layers[i][0].transpose(0, 2, 1)) * slope
        return found

    def run(self, rates, seeds):
        """Trains one model for each seed; `rates` is (steps, models). The losses and accuracies of each step's batch
        before its update, the trained layers, and the validation loss."""
        steps = len(rates)
        layers = [
            [np.stack([self.start[s][i][k] for s in seeds]).astype(np.float32) for k in (0, 1)]
            for i in range(len(self.sizes) - 1)
        ]
        first = [[np.zeros_like(p) for p in layer] for layer in layers]
        second = [[np.zeros_like(p) for p in layer] for layer in layers]
        orders = {s: self.order(s, steps) for s in set(seeds)}
        losses, accuracies = [], []
        for t in range(steps):
            rows = np.stack([orders[s][t] for s in seeds])
            values = self.forward(layers, self.x[rows].astype(np.float32))
            loss, gradient, accuracy = self.loss(values[-1], self.y[rows])
            losses.append(loss)
            accuracies.append(accuracy)
            for i, gradients in enumerate(self.backward(layers, values, gradient)):
                for k, g in enumerate(gradients):
                    rate = rates[t].astype(np.float32).reshape((-1, 1, 1) if k == 0 else (-1, 1))
                    self.update(layers[i], first[i], second[i], k, g, rate, t)
        shape = (len(seeds), *self.held_x.shape)
        outputs = self.forward(layers, np.broadcast_to(self.held_x.astype(np.float32), shape))[-1]
        held = self.loss(outputs, np.broadcast_to(self.held_y, (len(seeds), len(self.held_y))))[0]
        return np.array(losses), accuracies, layers, held

    def update(self, layer, first, second, k, g, rate, t):
        """SGD, SGD with momentum 0.9, or Adam with PyTorch's defaults; in place."""
        if self.task.optimizer == "sgd":
            layer[k] -= rate * g
        elif self.task.optimizer == "sgdm":
            first[k] = 0.9 * first[k] + g
            layer[k] -= rate * first[k]
        else:
            first[k] = 0.9 * first[k] + 0.1 * g
            second[k] = 0.999 * second[k] + 0.001 * g * g
            slow = np.sqrt(second[k] / (1 - 0.999 ** (t + 1))) + 1e-8
            layer[k] -= rate * (first[k] / (1 - 0.9 ** (t + 1))) / slow

    def every_rate(self, shape, seeds):
        """Validation losses, (seeds, rates), where `shape` multiplies the rate of each step."""
        models = [s for s in seeds for _ in RATES]
        held = self.run(shape[:, None] * np.tile(RATES, len(seeds)), models)[3]
        return [[finite(v) for v in row] for row in held.reshape(len(seeds), -1)]

    def untrained(self, seeds):
        return [float(v) for v in self.run(np.zeros((1, len(seeds))), list(seeds))[3]]

    def curves(self, steps):
        """A range test for each seed."""
        lr = 1e-7 * 1e8 ** (np.arange(steps) / (steps - 1))
        losses, accuracies = self.run(np.repeat(lr[:, None], len(CURVE_SEEDS), 1), list(CURVE_SEEDS))[:2]
        for k, seed in enumerate(CURVE_SEEDS):
            blown = np.flatnonzero(~np.isfinite(losses[:, k]))
            end = blown[0] if len(blown) else steps
            accuracy = [float(a[k]) for a in accuracies[:end]] if self.task.classes else None
            curve = {"lr": lr[:end].tolist(), "loss": [float(v) for v in losses[:end, k]], "accuracy": accuracy}
            yield {"task": self.task.name, "optimizer": self.task.optimizer, "seed": seed, "steps": steps, **curve}

    def trivial(self):
        """Validation loss of the best constant prediction."""
        if not self.task.classes:
            return float((self.held_y**2).mean())
        share = np.bincount(self.y, minlength=self.task.classes) / len(self.y)
        return float(-np.log(share[self.held_y]).mean())


def finite(v):
    return float(v) if np.isfinite(v) else None


def one_cycle(steps):
    """Cosine arcs: from 4 % of the peak up over the first 30 %, and down to nothing."""
    t = (np.arange(steps) + 0.5) / steps
    up = 0.04 + 0.96 * (1 - np.cos(np.pi * t / 0.3)) / 2
    return np.where(t < 0.3, up, (1 + np.cos(np.pi * (t - 0.3) / 0.7)) / 2 + 1e-4)


def measured(task):
    trainer = Trainer(task)
    truth = {
        "lr": RATES.tolist(),
        "init_loss": trainer.untrained(TRUTH_SEEDS),
        "const": {"loss": trainer.every_rate(np.ones(task.steps), TRUTH_SEEDS)},
        "onecycle": {"loss": trainer.every_rate(one_cycle(task.steps), TRUTH_SEEDS)},
    }
    verify = {
        "seeds": CURVE_SEEDS,
        "lr": RATES.tolist(),
        "init_loss": trainer.untrained(CURVE_SEEDS),
        "const": {str(n): trainer.every_rate(np.ones(n), CURVE_SEEDS) for n in VERIFY_STEPS},
    }
    curves = [curve for steps in (100, 200) for curve in trainer.curves(steps)]
    about = {"task": task.name, "opt": task.optimizer, "trivial_loss": trainer.trivial()}
    return {**about, "truth": truth, "verify": verify, "curves": curves}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    np.seterr(all="ignore")  # rates that blow up are part of the measurement
    results = []
    for task in tasks():
        print(task.name, flush=True)
        results.append(measured(task))
    with open(sys.argv[1], "w") as file:
        json.dump({"tasks": results}, file)


if __name__ == "__main__":
    main()
