"""Draws small tasks at random, trains each at 29 constant rates and 29 one-cycle peaks, and records range-test curves and
short runs of it: what a suggested rate is judged by. PyTorch, so that it shares nothing with the engine under test.

    python -m venv .venv && .venv/bin/pip install -r benches/regret/requirements.txt torch
    RANGEFINDER_DATA=DIR .venv/bin/python benches/regret/drawn.py dev 0 120 benches/regret/dev.json.gz

A task is a data set, a model, an optimizer, a batch size and a length, all drawn from a seed made of the set's name and the
task's number. DIR holds `mnist/` and `cifar10/` as `rangefinder find` reads them. Rules were made with the set `dev` in view;
`test` was drawn before, and half of it is of families of data that `dev` does not have. `fresh` is of five families that
neither has, and half of `later` of six that no other set has. The files in this folder hold numbers 0 to 110 of `dev`, 0 to 59
of `test` and of `fresh`, 0 to 119 of `later`, and 120 to 199 of it as `last` and 200 to 279 as `newest`, less most tasks with
convolutions, which take minutes each; the others take some 10 s each.
"""

import gzip
import json
import math
import os
import re
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn import datasets

TRUTH_SEEDS, CURVE_SEEDS = (1, 2, 3), (11, 12, 13)
RATES = 10.0 ** np.arange(-6, 1.01, 0.25)
SHORT = (60, 120, 200, 240)
DATA = Path(os.environ.get("RANGEFINDER_DATA", "../shared/data"))


# ---------------------------------------------------------------- data: (x, y, classes or 0)
def standardised(x):
    return (x - x.mean(0)) / (x.std(0) + 1e-8)


def spirals(n, turns, noise, random):
    t = np.sqrt(random.rand(n)) * turns * 2 * np.pi
    arm = random.randint(0, 2, n)
    x = np.c_[t * np.cos(t + arm * np.pi), t * np.sin(t + arm * np.pi)] / (turns * 2)
    return x + random.randn(n, 2) * noise, arm


def teacher(n, width, hidden, noise, random):
    x = random.randn(n, width)
    y = np.tanh(x @ random.randn(width, hidden) / math.sqrt(width)) @ random.randn(hidden) / math.sqrt(hidden)
    return x, y + noise * random.randn(n)


def mnist(n, size, random):
    with gzip.open(DATA / "mnist/train-images-idx3-ubyte.gz") as f:
        x = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(DATA / "mnist/train-labels-idx1-ubyte.gz") as f:
        y = np.frombuffer(f.read(), np.uint8, offset=8)
    rows = random.choice(len(x), n, replace=False)
    x = x[rows].astype(float) / 255
    k = 28 // size
    x = x.reshape(n, size, k, size, k).mean((2, 4))
    return x[:, None], y[rows].astype(int)


def cifar(n, size, random):
    with gzip.open(DATA / "cifar10/data_batch_1.bin.gz") as f:
        rows = np.frombuffer(f.read(), np.uint8).reshape(-1, 3073)
    rows = rows[random.choice(len(rows), n, replace=False)]
    k = 32 // size
    x = rows[:, 1:].reshape(n, 3, size, k, size, k).astype(float).mean((3, 5)) / 255
    return x, rows[:, 0].astype(int)


def digits():
    d = datasets.load_digits()
    return d.images[:, None].astype(float), d.target


def words(n, topics, vocabulary, random):
    """Logarithms of the counts of words in short texts, each of one topic and a common one."""
    tastes = random.dirichlet(np.full(vocabulary, 0.1), topics + 1)
    y = random.randint(0, topics, n)
    shares = [0.5 * tastes[k] + 0.5 * tastes[-1] for k in range(topics)]
    return np.log1p([random.multinomial(30, shares[k]) for k in y]), y


def series(n, window, noise, random):
    """The next value of a sum of two waves, from the values before."""
    t = random.uniform(0, 500, (n, 1)) + np.arange(window + 1)
    wave = np.sin(t / 3.1) + 0.6 * np.sin(t / 7.7 + 1) + noise * random.randn(n, window + 1)
    return wave[:, :-1], wave[:, -1]


def shapes(n, size, noise, random):
    """Squares, discs, crosses and rings on noise."""
    y, (u, v) = random.randint(0, 4, n), np.mgrid[:size, :size]
    x = noise * random.randn(n, 1, size, size)
    for i in range(n):
        r, a, b = random.uniform(2, size / 3), *random.uniform(size / 3, 2 * size / 3, 2)
        far = np.hypot(u - a, v - b)
        box = np.maximum(abs(u - a), abs(v - b))
        cross = np.minimum(abs(u - a), abs(v - b)) < 1
        x[i, 0] += [box < r, far < r, cross & (box < r + 1), abs(far - r) < 0.8][y[i]]
    return x, y


def prices(n, random):
    """Long-tailed prices from kinds, sizes and ages, in their own units."""
    kinds = np.eye(6)[random.randint(0, 6, n)]
    size, age = random.lognormal(4, 0.4, n), random.uniform(0, 60, n)
    price = np.exp(kinds @ random.randn(6) * 0.5 + 0.8 * np.log(size / 50) - age / 80 + 0.2 * random.randn(n))
    return np.c_[kinds, size / 10, age / 10], price


def pendulum(n, noise, random):
    """The angle after a second, from angle, speed, length and friction, by small steps."""
    angle, speed = random.uniform(-2, 2, n), random.uniform(-2, 2, n)
    length, friction = random.uniform(0.5, 3, n), random.uniform(0, 1, n)
    x = np.c_[angle, speed, length, friction]
    for _ in range(100):
        speed = speed - 0.01 * (9.81 / length * np.sin(angle) + friction * speed)
        angle = angle + 0.01 * speed
    return x, angle + noise * random.randn(n)


def bits(n, width, share, random):
    """Whether an odd number of the first three bits is set, or most of all bits; some labels wrong."""
    x = random.randint(0, 2, (n, width))
    y = (x[:, :3].sum(1) % 2) if share == 3 else (x.sum(1) * 2 > width).astype(int)
    return x.astype(float), np.where(random.rand(n) < 0.03, 1 - y, y)


def signals(n, length, noise, random):
    """Sines, squares, saws and chirps of any phase and length."""
    y, t = random.randint(0, 4, n), np.linspace(0, 1, length)
    cycles, phase = random.uniform(1, 4, (n, 1)), random.rand(n, 1)
    at = cycles * t + phase
    kinds = np.stack([np.sin(2 * np.pi * at), np.sign(np.sin(2 * np.pi * at)), 2 * (at % 1) - 1, np.sin(2 * np.pi * at * (1 + t))])
    return kinds[y, np.arange(n)] + noise * random.randn(n, length), y


def arm(n, random):
    """How far from a point the hand of an arm of three links is, from its angles."""
    angles, links = random.uniform(-np.pi, np.pi, (n, 3)), random.uniform(0.5, 1.5, (n, 3))
    turned = np.cumsum(angles, 1)
    hand = np.c_[(links * np.cos(turned)).sum(1), (links * np.sin(turned)).sum(1)]
    return np.c_[angles, links], np.hypot(hand[:, 0] - 1, hand[:, 1]) + 0.05 * random.randn(n)


def ratings(n, users, items, random):
    """What users think of items, by two tastes; both as one bit among zeros."""
    u, i = random.randint(0, users, n), random.randint(0, items, n)
    tastes = [random.randn(k, 2) for k in (users, items)]
    y = 3 + (tastes[0][u] * tastes[1][i]).sum(1) + 0.5 * random.randn(users)[u] + 0.3 * random.randn(n)
    return np.c_[np.eye(users)[u], np.eye(items)[i]], y


def visits(n, random):
    """Counts by hour, day and weather: small numbers with long tails."""
    hour, day, warm = random.randint(0, 24, n), random.randint(0, 7, n), random.randn(n)
    level = np.exp(1 + np.sin(hour / 24 * 2 * np.pi - 2) + 0.4 * (day > 4) + 0.3 * warm)
    return np.c_[hour, day, warm], random.poisson(level).astype(float)


FAMILIES = {
    # family: {name: fn(random) -> x, y, classes}
    "digits": {
        "digits": lambda r: (digits()[0] / 16, digits()[1], 10),
        "digits_raw": lambda r: (*digits(), 10),
        "digits_std": lambda r: (standardised(digits()[0]), digits()[1], 10),
    },
    "flowers": {
        "wine": lambda r: (standardised(datasets.load_wine().data), datasets.load_wine().target, 3),
        "wine_raw": lambda r: (datasets.load_wine().data / 10, datasets.load_wine().target, 3),
        "iris": lambda r: (standardised(datasets.load_iris().data), datasets.load_iris().target, 3),
        "iris_raw": lambda r: (datasets.load_iris().data, datasets.load_iris().target, 3),
    },
    "cancer": {
        "cancer": lambda r: (standardised(datasets.load_breast_cancer().data), datasets.load_breast_cancer().target, 2),
        "cancer_log": lambda r: (np.log1p(datasets.load_breast_cancer().data), datasets.load_breast_cancer().target, 2),
    },
    "regression": {
        "diabetes": lambda r: (standardised(datasets.load_diabetes().data), standardised(datasets.load_diabetes().target), 0),
        "diabetes_raw": lambda r: (standardised(datasets.load_diabetes().data), datasets.load_diabetes().target / 10, 0),
        "friedman1": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(datasets.make_friedman1(1200, noise=1.0, random_state=r)),
        "friedman2": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(datasets.make_friedman2(1200, noise=100.0, random_state=r)),
        "friedman1_raw": lambda r: (lambda d: (*d, 0))(datasets.make_friedman1(1200, noise=1.0, random_state=r)),
        "linear": lambda r: (lambda d: (d[0], d[1] / 50, 0))(datasets.make_regression(800, 20, noise=20.0, random_state=r)),
    },
    "plane": {
        "moons": lambda r: (*datasets.make_moons(1500, noise=0.2, random_state=r), 2),
        "circles": lambda r: (*datasets.make_circles(1500, noise=0.1, factor=0.5, random_state=r), 2),
        "spirals": lambda r: (*spirals(1500, 1.0, 0.05, r), 2),
        "blobs": lambda r: (lambda d: (standardised(d[0]), d[1], 6))(datasets.make_blobs(1200, 2, centers=6, cluster_std=1.5, random_state=r)),
        "quantiles": lambda r: (*datasets.make_gaussian_quantiles(n_samples=1500, n_features=4, n_classes=4, random_state=r), 4),
    },
    "made": {
        "clean": lambda r: (lambda d: (standardised(d[0]), d[1], 4))(datasets.make_classification(1500, 20, n_informative=8, n_classes=4, flip_y=0.02, random_state=r)),
        "noisy": lambda r: (lambda d: (standardised(d[0]), d[1], 2))(datasets.make_classification(1500, 30, n_informative=5, flip_y=0.3, random_state=r)),
        "many": lambda r: (lambda d: (standardised(d[0]), d[1], 10))(datasets.make_classification(2000, 40, n_informative=15, n_classes=10, flip_y=0.05, random_state=r)),
        "hastie": lambda r: (lambda d: (d[0], (d[1] > 0).astype(int), 2))(datasets.make_hastie_10_2(2000, random_state=r)),
    },
    "teacher": {
        "teacher": lambda r: (*teacher(1500, 16, 32, 0.1, r), 0),
        "teacher_wide": lambda r: (*teacher(1500, 64, 16, 0.3, r), 0),
        "sine": lambda r: (lambda x: (x, np.sin(6 * x[:, 0]) + 0.1 * r.randn(800), 0))(r.uniform(-1, 1, (800, 1))),
        "poly": lambda r: (lambda x: (x, x[:, 0] * x[:, 1] + x[:, 2] ** 2 - 1 + 0.1 * r.randn(1000), 0))(r.randn(1000, 6)),
    },
    "mnist": {
        "mnist14": lambda r: (*mnist(3000, 14, r), 10),
        "mnist7": lambda r: (*mnist(3000, 7, r), 10),
        "mnist28": lambda r: (*mnist(2000, 28, r), 10),
    },
    "cifar": {
        "cifar8": lambda r: (*cifar(3000, 8, r), 10),
        "cifar8_std": lambda r: (lambda d: (standardised(d[0]), d[1], 10))(cifar(3000, 8, r)),
        "cifar16": lambda r: (lambda d: (d[0] - 0.5, d[1], 10))(cifar(2000, 16, r)),
    },
}
# Of these, `dev` has none.
UNSEEN_FAMILIES = ("cancer", "teacher", "cifar")
# Of these, neither `dev` nor `test`.
FRESH_FAMILIES = {
    "words": {
        "words": lambda r: (*words(2000, 8, 200, r), 8),
        "words_few": lambda r: (*words(800, 4, 100, r), 4),
        "words_std": lambda r: (lambda d: (standardised(d[0]), d[1], 8))(words(2000, 8, 200, r)),
    },
    "series": {
        "waves": lambda r: (*series(1500, 24, 0.1, r), 0),
        "waves_noisy": lambda r: (*series(1500, 24, 0.5, r), 0),
        "waves_short": lambda r: (*series(1000, 6, 0.2, r), 0),
    },
    "shapes": {
        "shapes": lambda r: (*shapes(2000, 12, 0.3, r), 4),
        "shapes_noisy": lambda r: (*shapes(2000, 12, 0.8, r), 4),
    },
    "prices": {
        "prices": lambda r: (*prices(1500, r), 0),
        "prices_std": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(prices(1500, r)),
        "prices_log": lambda r: (lambda d: (standardised(d[0]), np.log(d[1]), 0))(prices(1500, r)),
    },
    "pendulum": {
        "pendulum": lambda r: (*pendulum(1500, 0.05, r), 0),
        "pendulum_std": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(pendulum(1500, 0.2, r)),
    },
}
# Of these, none of the three.
LATER_FAMILIES = {
    "bits": {
        "odd": lambda r: (*bits(2000, 8, 3, r), 2),
        "most": lambda r: (*bits(1500, 31, 31, r), 2),
    },
    "signals": {
        "signals": lambda r: (*signals(2000, 32, 0.2, r), 4),
        "signals_noisy": lambda r: (*signals(2000, 32, 0.7, r), 4),
        "signals_long": lambda r: (*signals(1500, 96, 0.4, r), 4),
    },
    "arm": {
        "arm": lambda r: (*arm(2000, r), 0),
        "arm_std": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(arm(2000, r)),
    },
    "ratings": {
        "ratings": lambda r: (*ratings(3000, 40, 30, r), 0),
        "ratings_few": lambda r: (*ratings(800, 12, 20, r), 0),
    },
    "rolls": {
        "roll": lambda r: (lambda d: (d[0] / 10, d[1] / 5, 0))(datasets.make_swiss_roll(1500, noise=0.3, random_state=r)),
        "roll_std": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(datasets.make_swiss_roll(1500, noise=1.0, random_state=r)),
        "curve": lambda r: (*datasets.make_s_curve(1200, noise=0.1, random_state=r), 0),
        "friedman3": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(datasets.make_friedman3(1200, noise=0.1, random_state=r)),
    },
    "visits": {
        "visits": lambda r: (*visits(2000, r), 0),
        "visits_std": lambda r: (lambda d: (standardised(d[0]), standardised(d[1]), 0))(visits(2000, r)),
    },
}
EVERY_FAMILY = FAMILIES | FRESH_FAMILIES | LATER_FAMILIES
DATA_SETS = {name: make for family in EVERY_FAMILY.values() for name, make in family.items()}


def drawn(which, number):
    """Task `number` of a set: everything about it is drawn."""
    random = np.random.RandomState({"dev": 1000, "test": 500000, "fresh": 900000, "later": 1300000}[which] + number)
    pick = lambda values: values[random.randint(len(values))]
    seen = [f for f in FAMILIES if f not in UNSEEN_FAMILIES]
    # Families take turns, so that each has its share. Half of the test tasks are of families that `dev` does not have.
    family = seen[number % len(seen)] if which == "dev" or number % 2 else UNSEEN_FAMILIES[number // 2 % 3]
    if which == "test" and number % 2:
        family = seen[number // 2 % len(seen)]
    if which == "fresh":
        family = list(FRESH_FAMILIES)[number % len(FRESH_FAMILIES)]
    if which == "later":
        pool = list(FAMILIES | FRESH_FAMILIES) if number % 2 else list(LATER_FAMILIES)
        family = pool[number // 2 % len(pool)]
    data = pick(list(EVERY_FAMILY[family]))
    image = family in ("digits", "mnist", "cifar", "shapes")
    kinds = ["linear", "mlp1", "mlp1", "mlp2", "mlp2", "bn"]
    if image:
        kinds += ["cnn", "cnn", "cnnbn"]
    if data in ("spirals", "circles", "sine", "poly", "quantiles", "hastie", "odd", "roll", "roll_std", "arm", "arm_std"):
        kinds = [k for k in kinds if k != "linear"]
    kind = pick(kinds)
    if kind.startswith("cnn") and data in ("mnist28", "cifar16"):
        data = {"mnist28": "mnist14", "cifar16": "cifar8"}[data]
    width = pick([16, 32, 64, 64, 128])
    if data in ("mnist28", "cifar16"):
        width = min(width, 32)
    task = {
        "task": f"{which}{number:03d}_{data}_{kind}",
        "family": family,
        "data": data,
        "model": kind,
        "width": width,
        "act": pick(["relu", "relu", "tanh", "gelu", "silu"]),
        "init": pick(["he", "torch"]),
        "opt": pick(["sgd", "sgdm", "sgdm", "adam", "adam", "adamw"]),
        "decay": pick([0.0, 0.0, 1e-4, 1e-3]),
        "batch": pick([8, 16, 32, 32, 64, 64, 128]),
        "steps": pick([250, 300, 400, 500]),
        "pre": pick([None] * 6 + ["warm", "head"]),
    }
    if task["opt"] == "adamw":
        task["decay"] = pick([0.01, 0.1])
    if data in ("iris", "iris_raw", "wine", "wine_raw"):
        task["batch"] = min(task["batch"], 32)
    if kind.startswith("cnn"):
        task["batch"] = min(task["batch"], 32)
        task["steps"] = min(task["steps"], 300)
    return task


# ---------------------------------------------------------------- models: M copies side by side
ACTS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
}


def blueprint(task, shape, outputs):
    """Layers: ("linear", in, out), ("conv", in, out), ("bn", n), ("act",), ("pool",), ("flat",)."""
    w, kind = task["width"], task["model"]
    features = int(np.prod(shape))
    if kind.startswith("cnn"):
        c1, c2 = (4, 8) if w < 64 else (8, 16)
        norm = kind == "cnnbn"
        flat = c2 * (shape[1] // 4) * (shape[2] // 4)
        bn = lambda c: [("bn", c)] if norm else []
        return [("conv", shape[0], c1), *bn(c1), ("act",), ("pool",), ("conv", c1, c2), *bn(c2), ("act",), ("pool",), ("flat",),
                ("linear", flat, 32), ("act",), ("linear", 32, outputs)]
    if kind == "linear":
        return [("flat",), ("linear", features, outputs)]
    if kind == "mlp1":
        return [("flat",), ("linear", features, w), ("act",), ("linear", w, outputs)]
    if kind == "bn":
        return [("flat",), ("linear", features, w), ("bn", w), ("act",), ("linear", w, w), ("bn", w), ("act",), ("linear", w, outputs)]
    return [("flat",), ("linear", features, w), ("act",), ("linear", w, max(w // 2, 8)), ("act",), ("linear", max(w // 2, 8), outputs)]


class Trainer:
    def __init__(self, task):
        self.task = task
        number = int(re.search(r"\d{3}", task["task"])[0])
        x, y, classes = DATA_SETS[task["data"]](np.random.RandomState(number))
        self.classes = classes
        order = np.random.RandomState(0).permutation(len(x))
        x, y = x[order], y[order]
        n = len(x)
        a, b = int(n * 0.65), int(n * 0.75)
        b = min(b, a + 512)
        centre = 0 if classes else y[:a].mean()
        y = y if classes else y - centre
        tx = torch.tensor(x, dtype=torch.float32)
        ty = torch.tensor(y, dtype=torch.int64 if classes else torch.float32)
        self.train, self.held, self.valid = (tx[:a], ty[:a]), (tx[a:b], ty[a:b]), (tx[b:], ty[b:])
        self.layers = blueprint(task, x.shape[1:], classes or 1)
        self.act = ACTS[task["act"]]
        self.start = {s: self.initial(s) for s in TRUTH_SEEDS + CURVE_SEEDS}
        if task["pre"]:
            whole = self.train
            if task["pre"] == "head":
                # Before, on other targets: classes in another order, or the values turned around.
                other = (whole[1] + 1) % classes if classes else -whole[1].abs()
                self.train = (whole[0], other)
            rate = {"sgd": 0.03, "sgdm": 0.01}.get(task["opt"], 0.002)
            if task["data"].endswith("raw"):
                rate /= 10
            for s in self.start:
                models, _ = self.run(np.full((60, 1), rate), [s])
                self.start[s] = [p[0].clone() for p in models[0]], [q[0].clone() for q in models[1]]
            if task["pre"] == "head":
                for s in self.start:
                    fresh = self.initial(s)
                    params, stats = self.start[s]
                    self.start[s] = params[:-2] + fresh[0][-2:], stats
            self.train = whole

    def initial(self, seed):
        g = torch.Generator().manual_seed(seed)
        params, stats = [], []
        linear = [i for i, l in enumerate(self.layers) if l[0] in ("linear", "conv")]
        for i, layer in enumerate(self.layers):
            if layer[0] in ("linear", "conv"):
                fan = layer[1] * (9 if layer[0] == "conv" else 1)
                if self.task["init"] == "torch":
                    bound = 1 / math.sqrt(fan)
                    params += [(torch.rand(fan, layer[2], generator=g) * 2 - 1) * bound, (torch.rand(layer[2], generator=g) * 2 - 1) * bound]
                else:
                    gain = math.sqrt(2) if i != linear[-1] and self.task["act"] != "tanh" else 1
                    params += [torch.randn(fan, layer[2], generator=g) * gain / math.sqrt(fan), torch.zeros(layer[2])]
            elif layer[0] == "bn":
                params += [torch.ones(layer[1]), torch.zeros(layer[1])]
                stats += [torch.zeros(layer[1]), torch.ones(layer[1])]
        return params, stats

    def order(self, seed, steps):
        n, batch = len(self.train[0]), min(self.task["batch"], len(self.train[0]))
        whole = n // batch * batch
        epochs = steps * batch // whole + 1
        shuffled = [np.random.RandomState(1000 + seed * 77 + e).permutation(n)[:whole] for e in range(epochs)]
        return np.concatenate(shuffled).reshape(-1, batch)

    def forward(self, params, stats, x, training):
        """x: (M, B, ...); the output (M, B, outputs)."""
        params, k = iter(params), 0
        for layer in self.layers:
            kind = layer[0]
            if kind == "flat":
                x = x.reshape(*x.shape[:2], -1)
            elif kind == "linear":
                w, b = next(params), next(params)
                x = torch.baddbmm(b[:, None], x, w)
            elif kind == "conv":
                w, b = next(params), next(params)
                m, n, c, h, v = x.shape
                padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
                cols = padded.unfold(3, 3, 1).unfold(4, 3, 1)  # m n c h v 3 3
                cols = cols.permute(0, 1, 3, 4, 2, 5, 6).reshape(m, n * h * v, c * 9)
                x = torch.baddbmm(b[:, None], cols, w).reshape(m, n, h, v, -1).permute(0, 1, 4, 2, 3)
            elif kind == "pool":
                h, v = x.shape[3] // 2 * 2, x.shape[4] // 2 * 2
                x = x[..., :h, :v]
                x = x.reshape(*x.shape[:3], h // 2, 2, v // 2, 2).amax((4, 6))
            elif kind == "bn":
                w, b = next(params), next(params)
                dims = (1, 3, 4) if x.dim() == 5 else (1,)
                shape = (x.shape[0], 1, -1, 1, 1) if x.dim() == 5 else (x.shape[0], 1, -1)
                if training:
                    mean, var = x.mean(dims), x.var(dims, unbiased=False)
                    with torch.no_grad():
                        stats[2 * k].mul_(0.9).add_(0.1 * mean)
                        stats[2 * k + 1].mul_(0.9).add_(0.1 * var)
                else:
                    mean, var = stats[2 * k], stats[2 * k + 1]
                k += 1
                x = (x - mean.reshape(shape)) * (w / torch.sqrt(var + 1e-5)).reshape(shape) + b.reshape(shape)
            else:
                x = self.act(x)
        return x

    def losses(self, out, y):
        """(M, B) losses."""
        if not self.classes:
            return (out[..., 0] - y) ** 2
        return -torch.log_softmax(out, -1).gather(-1, y[..., None])[..., 0]

    @torch.no_grad()
    def evaluate(self, models, part):
        """(M, samples) losses."""
        params, stats = models
        m = params[0].shape[0]
        x, y = part
        found = []
        for i in range(0, len(x), 128):
            bx, by = x[i : i + 128], y[i : i + 128]
            out = self.forward(params, stats, bx[None].expand(m, *bx.shape), False)
            found.append(self.losses(out, by[None].expand(m, len(by))))
        return torch.cat(found, 1)

    def run(self, rates, seeds, marks=None):
        """`rates` is (steps, M); losses of every step's batch, before the update. `marks`: {step: fn(models)}."""
        steps, m = rates.shape
        params = [torch.stack([self.start[s][0][i] for s in seeds]).clone().requires_grad_() for i in range(len(self.start[seeds[0]][0]))]
        stats = [torch.stack([self.start[s][1][i] for s in seeds]).clone() for i in range(len(self.start[seeds[0]][1]))]
        first = [torch.zeros_like(p) for p in params]
        second = [torch.zeros_like(p) for p in params]
        which = sorted(set(seeds))
        index = torch.tensor([which.index(s) for s in seeds])
        orders = np.stack([self.order(s, steps)[:steps] for s in which], 1)  # steps, seeds, batch
        x, y = self.train
        recorded = []
        rates = torch.tensor(rates, dtype=torch.float32)
        opt, decay = self.task["opt"], self.task["decay"]
        for t in range(steps):
            rows = torch.tensor(orders[t])
            bx, by = x[rows][index], y[rows][index]
            mean = self.losses(self.forward(params, stats, bx, True), by).mean(1)
            grads = torch.autograd.grad(mean.sum(), params)
            recorded.append(mean.detach())
            with torch.no_grad():
                for p, g, v, s in zip(params, grads, first, second):
                    lr = rates[t].reshape(-1, *[1] * (p.dim() - 1))
                    if opt == "adamw":
                        p.mul_(1 - lr * decay)
                    elif decay:
                        g = g + decay * p
                    if opt == "sgd":
                        p.sub_(lr * g)
                    elif opt == "sgdm":
                        v.mul_(0.9).add_(g)
                        p.sub_(lr * v)
                    else:
                        v.mul_(0.9).add_(g, alpha=0.1)
                        s.mul_(0.999).addcmul_(g, g, value=0.001)
                        slow = (s / (1 - 0.999 ** (t + 1))).sqrt_().add_(1e-8)
                        p.sub_(lr / (1 - 0.9 ** (t + 1)) * v / slow)
            if marks and t + 1 in marks:
                marks[t + 1]([p.detach() for p in params], stats)
        return ([p.detach() for p in params], stats), recorded

    def truth(self, shape):
        seeds = [s for s in TRUTH_SEEDS for _ in RATES]
        models, _ = self.run(shape[:, None] * np.tile(RATES, len(TRUTH_SEEDS)), seeds)
        return rows(self.evaluate(models, self.valid).mean(1), 4)

    def untrained(self, seeds, part):
        params = [torch.stack([self.start[s][0][i] for s in seeds]) for i in range(len(self.start[seeds[0]][0]))]
        stats = [torch.stack([self.start[s][1][i] for s in seeds]) for i in range(len(self.start[seeds[0]][1]))]
        return [number(v) for v in self.evaluate((params, stats), part).mean(1)]

    def short(self):
        """Held-out losses after short constant runs at every rate."""
        found = {}

        def mark(steps):
            def at(params, stats):
                found[str(steps)] = rows(self.evaluate((params, stats), self.held).mean(1), 4)

            return at

        seeds = [s for s in CURVE_SEEDS for _ in RATES]
        rates = np.tile(RATES, len(CURVE_SEEDS))
        self.run(np.ones(max(SHORT))[:, None] * rates, seeds, {n: mark(n) for n in SHORT})
        return found

    def curves(self, steps):
        lr = 1e-7 * 1e8 ** (np.arange(steps) / (steps - 1))
        _, recorded = self.run(np.repeat(lr[:, None], len(CURVE_SEEDS), 1), list(CURVE_SEEDS))
        for k, seed in enumerate(CURVE_SEEDS):
            loss = np.array([float(r[k]) for r in recorded])
            blown = np.flatnonzero(~np.isfinite(loss))
            end = blown[0] if len(blown) else steps
            yield {"seed": seed, "steps": steps, "loss": [number(v, 5) for v in loss[:end]]}

    def trivial(self, part):
        y = part[1]
        if not self.classes:
            return float((y**2).mean())
        share = torch.bincount(self.train[1], minlength=self.classes).float() / len(self.train[1])
        return float(-torch.log(share[y]).mean())


def number(v, digits=5):
    v = float(v)
    return float(f"{v:.{digits}g}") if math.isfinite(v) else None


def rows(values, digits):
    return [[number(v, digits) for v in row] for row in values.reshape(-1, len(RATES))]


def one_cycle(steps):
    t = (np.arange(steps) + 0.5) / steps
    up = 0.04 + 0.96 * (1 - np.cos(np.pi * t / 0.3)) / 2
    return np.where(t < 0.3, up, (1 + np.cos(np.pi * (t - 0.3) / 0.7)) / 2 + 1e-4)


def measured(task):
    t = Trainer(task)
    truth = {
        "lr": RATES.tolist(),
        "init_loss": t.untrained(TRUTH_SEEDS, t.valid),
        "const": {"loss": t.truth(np.ones(task["steps"]))},
        "onecycle": {"loss": t.truth(one_cycle(task["steps"]))},
    }
    held = t.untrained(CURVE_SEEDS, t.held)
    verify = {"seeds": CURVE_SEEDS, "lr": RATES.tolist(), "init_loss": held, "const": t.short()}
    about = {key: task[key] for key in ("task", "family", "opt", "batch", "steps", "pre")}
    trivial = {"trivial_loss": t.trivial(t.valid), "trivial_held": t.trivial(t.held)}
    curves = [c for steps in (100, 200) for c in t.curves(steps)]
    return {**about, **trivial, "truth": truth, "verify": verify, "curves": curves}


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    which, first, last, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    results = []
    for i in range(first, last):
        task = drawn(which, i)
        print(task["task"], flush=True)
        results.append(measured(task))
    with gzip.GzipFile(path, "wb", 9, mtime=0) as file:
        file.write(json.dumps({"tasks": results}, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
