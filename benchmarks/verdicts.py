"""Do the verdicts of a study hold? Simulated studies, of which the true differences are known.

`python benchmarks/verdicts.py` prints a row for every setting and figure; `--share 0.02` is a short try. Images are
points with normal features; a head is a linear discriminant whose penalty is chosen on the validation fold, and every
head sees its own part of the training images, as a stochastic training does. The truth is the mean difference, over
all simulated data sets, on fresh images. Folds, influence values, estimator and words are those of the product.

- `remedies`: a head that differs by its seed alone, one that is better, one that is much better;
- `thresholds`: arms with the scores of the control: its own decision again, two that favour the rarest class a little
  (few decisions change), one that decides at the natural prior;
- `A/A`: 24 arms that differ from the control by their seed alone: each verdict of a difference is false.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from tqdm import tqdm

from counterpoise import seeds
from counterpoise.metrics import confusion, influence, ranking
from counterpoise.study import folds, verdicts
from counterpoise.study.verdicts import Estimate, Verdict

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""In units of the mean variance of a feature, divided by the number of training images of the rarest class."""
FIGURES = ("balanced accuracy", "average precision")
COMPARED = 24
"""Power and verdicts are those of a study of so many arms."""
FRESH = 3000
"""Images that the truth of one data set is measured on, half of them of the rarest class."""
EXCLUDED = 1e6
"""Penalty of a feature that an arm does not see."""


@dataclass(frozen=True)
class Arm:
    """What differs between arms.

    Attributes:
        features: How many features it sees.
        favour: Added to the log odds of the rarest class when it decides.
        natural: Whether it decides at the natural prior, instead of balanced.
        same_head: Whether it takes the heads of the control, which comes first.
    """

    features: int
    favour: float = 0.0
    natural: bool = False
    same_head: bool = False


@dataclass(frozen=True)
class Setting:
    """A kind of data set, and the arms of its studies.

    Attributes:
        name: In the table.
        counts: Images of each class; the last class is the rarest.
        arms: The control first.
        unit_size: Images of a unit, all of one class.
        correlation: Within units, of each feature.
        repeats: R.
        studies: How many are simulated.
        separation: Distance between class means of the features that the control sees, in standard deviations.
        extra: The same of four more features, and of another four.
    """

    name: str
    counts: tuple[int, ...]
    arms: tuple[Arm, ...]
    unit_size: int = 1
    correlation: float = 0.0
    repeats: int = 2
    studies: int = 300
    separation: float = 1.5
    extra: tuple[float, float] = (1.0, 1.2)


SEEN = 12
FOLDS = 5
KEPT = 0.8
"""Share of the training units that a head sees."""
REMEDIES = (Arm(SEEN), Arm(SEEN), Arm(SEEN + 4), Arm(SEEN + 8))
SHIFTED = (
    Arm(SEEN),
    Arm(SEEN, same_head=True),
    Arm(SEEN, favour=0.05, same_head=True),
    Arm(SEEN, favour=0.2, same_head=True),
    Arm(SEEN, natural=True, same_head=True),
)
USUAL = (2015, 84)
SETTINGS = (
    Setting("remedies", USUAL, REMEDIES, studies=1000),
    Setting("remedies, four repeats", USUAL, REMEDIES, repeats=4),
    Setting("remedies, 20 of the rarest class", (480, 20), REMEDIES),
    Setting("remedies, in clusters of 5", USUAL, REMEDIES, unit_size=5, correlation=0.5),
    Setting("remedies, four classes", (1300, 500, 215, 84), REMEDIES),
    Setting("thresholds", USUAL, SHIFTED),
    Setting("thresholds, 20 of the rarest class", (480, 20), SHIFTED),
)
SAME = Setting("A/A, 24 arms", USUAL, (Arm(SEEN),) * (COMPARED + 1), studies=250)
SETTINGS += (
    SAME,
    replace(SAME, name="A/A, 24 arms, 20 of the rarest class", counts=(480, 20), studies=100),
    replace(SAME, name="A/A, 24 arms, in clusters of 5", unit_size=5, correlation=0.5, studies=100),
)


@dataclass(frozen=True)
class Sample:
    """Images: (n, d) features, (n,) classes, (n,) units."""

    features: Floats
    targets: Ints
    units: Ints


def draw(setting: Setting, counts: Sequence[int], rng: np.random.Generator) -> Sample:
    """Draw images of a setting, so many of each class."""
    targets = np.repeat(np.arange(len(counts)), counts)
    within = np.concatenate([np.arange(count) // setting.unit_size for count in counts])
    units = np.unique(np.stack([targets, within]), axis=1, return_inverse=True)[1]
    size = np.concatenate([np.full(width, distance / np.sqrt(width)) for width, distance in _blocks(setting)])
    means = size * (np.arange(len(size)) % len(counts) == targets[:, None])  # each feature is larger in one class
    own, shared = (rng.normal(size=(some, len(size))) for some in (len(targets), int(units.max()) + 1))
    noise = np.sqrt(1 - setting.correlation) * own + np.sqrt(setting.correlation) * shared[units]
    return Sample(means + noise, targets, units)


def _blocks(setting: Setting) -> tuple[tuple[int, float], ...]:
    """Name the width of each block of features, and the distance that it adds between two classes of a pair."""
    return ((SEEN, setting.separation), (4, setting.extra[0]), (4, setting.extra[1]))


def fit(data: Sample, train: NDArray[np.bool_], seen: Ints, classes: int) -> tuple[Floats, Floats]:
    """Fit linear discriminants, all at once.

    Args:
        data: Images.
        train: (b, n) what each head learns from.
        seen: (b,) how many features each head sees.
        classes: c.

    Returns:
        (p, b, c, d) weights and (p, b, c) biases for balanced classes, for each penalty.
    """
    x, d = data.features, data.features.shape[1]
    weights = train.astype(np.float64)
    of_class = np.stack([weights * (data.targets == k) for k in range(classes)], axis=1)
    counts = of_class.sum(axis=2)
    means = (of_class @ x) / counts[:, :, None]
    second = (weights @ (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)).reshape(-1, d, d)
    within = (second - np.einsum("bk,bkd,bke->bde", counts, means, means)) / counts.sum(axis=1)[:, None, None]
    hidden = np.arange(d) >= seen[:, None]
    within += EXCLUDED * (hidden[:, :, None] * np.eye(d))
    values, vectors = np.linalg.eigh(within)
    turned = means @ vectors
    weighted = []
    for penalty in PENALTIES:
        ridge = penalty / counts.min(axis=1)[:, None]
        weighted.append((turned / (values + ridge)[:, None, :]) @ vectors.transpose(0, 2, 1))
    w = np.stack(weighted)
    return w, -0.5 * np.einsum("pbkd,bkd->pbk", w, means)


def tune(data: Sample, val: NDArray[np.bool_], w: Floats, b: Floats) -> Ints:
    """Choose the penalty of each head that has the least log loss on its validation images, (b, n): (b,)."""
    prior = np.log(np.bincount(data.targets) / len(data.targets))
    losses = np.empty(w.shape[:2])
    for number in range(len(PENALTIES)):
        logits = data.features @ w[number].transpose(0, 2, 1) + (b[number] + prior)[:, None, :]
        nats = logsumexp(logits, axis=2) - np.take_along_axis(logits, data.targets[None, :, None], axis=2)[:, :, 0]
        losses[number] = (nats * val).sum(axis=1) / val.sum(axis=1)
    return losses.argmin(axis=0)


def scored(logits: Floats, prior: Floats) -> Floats:
    """Return the (n,) log odds of the rarest class, of logits for balanced classes."""
    natural = logits + prior
    return np.asarray(natural[:, -1] - logsumexp(natural[:, :-1], axis=1))


def decided(arm: Arm, logits: Floats, prior: Floats) -> Ints:
    """Decide (n,) classes by logits for balanced classes."""
    favour = np.append(np.zeros(len(prior) - 1), arm.favour)
    return np.asarray((logits + favour + prior * arm.natural).argmax(axis=1), dtype=np.int64)


def figures(targets: Ints, choice: Ints, score: Floats, prior: Floats) -> tuple[float, float]:
    """Compute balanced accuracy, and average precision at the natural prior, of any shares of the classes."""
    classes = len(prior)
    weights = (np.exp(prior) / np.bincount(targets, minlength=classes))[targets]
    table = confusion.confusion_matrix(targets, choice, classes)
    precision = ranking.average_precision(targets == classes - 1, score, weights)
    return float(confusion.balanced_accuracy(table)), float(precision)


def influences(targets: Ints, choice: Ints, score: Floats, classes: int) -> Floats:
    """Compute the (2, n) influence values of both figures."""
    return np.stack(
        [
            influence.balanced_accuracy(targets, choice, classes),
            influence.average_precision(targets == classes - 1, score),
        ]
    )


@dataclass(frozen=True)
class Study:
    """What one study gives, for each arm but the control.

    Attributes:
        found: (a, 2) estimates for both figures.
        truth: (a, 2) differences of the same heads on fresh images.
    """

    found: tuple[tuple[Estimate, ...], ...]
    truth: Floats


def run(setting: Setting, number: int) -> Study:
    """Simulate a data set and a study of it."""
    rng = seeds.generator(number, f"simulated study, {setting.name}")
    data, c, repeats = draw(setting, setting.counts, rng), len(setting.counts), range(setting.repeats)
    first = np.unique(data.units, return_index=True)[1]
    holds, sizes = np.eye(c, dtype=np.bool_)[data.targets[first]], np.bincount(data.units)
    fold = np.stack([folds.assign(holds, sizes, FOLDS, number, repeat, task="multiclass") for repeat in repeats])
    split = np.stack([folds.splits(fold[r], f, FOLDS)[data.units] for r in repeats for f in range(FOLDS)])
    w, b = heads(setting, data, split, rng)
    scores, phi = tested(setting, data, split, w, b)
    shape, m = (setting.repeats, FOLDS), np.stack([np.bincount(row[holds[:, -1]], minlength=FOLDS) for row in fold])
    least = (verdicts.of_one_unit(holds.sum(axis=0)), 0.0)
    found = tuple(
        tuple(
            verdicts.estimate((scores[a, k] - scores[0, k]).reshape(shape), phi[a, k] - phi[0, k], fold, m, least[k])
            for k in range(len(FIGURES))
        )
        for a in range(1, len(setting.arms))
    )
    return Study(found, truth(setting, w, b, rng))


def heads(setting: Setting, data: Sample, split: NDArray[np.str_], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Train and tune the head of every arm in every cell, of (cells, n) splits: weights (a, cells, c, d) and biases."""
    arms, cells = setting.arms, len(split)
    kept = rng.random((len(arms), cells, int(data.units.max()) + 1))[:, :, data.units] < KEPT
    train = ((split == "train") & kept).reshape(-1, len(data.targets))
    val = np.broadcast_to(split == "val", kept.shape).reshape(train.shape)
    w, b = fit(data, train, np.repeat([arm.features for arm in arms], cells), len(setting.counts))
    best, every = tune(data, val, w, b), np.arange(len(train))
    own = [0 if arm.same_head else place for place, arm in enumerate(arms)]
    chosen_w, chosen_b = (some[best, every].reshape(len(arms), cells, *some.shape[2:])[own] for some in (w, b))
    return chosen_w, chosen_b


def tested(setting: Setting, data: Sample, split: NDArray[np.str_], w: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Test every head: (a, 2, cells) figures, and (a, 2, R, u) influence values summed by unit."""
    prior, units = _log_prior(setting), int(data.units.max()) + 1
    scores, phi = np.empty((len(w), 2, len(split))), np.zeros((len(w), 2, setting.repeats, units))
    for cell, names in enumerate(split):
        rows = np.flatnonzero(names == "test")
        x, targets = data.features[rows], data.targets[rows]
        share = np.log(np.bincount(targets, minlength=len(prior)) / len(rows))
        for a, arm in enumerate(setting.arms):
            logits = x @ w[a, cell].T + b[a, cell]
            choice, score = decided(arm, logits, prior), scored(logits, prior)
            scores[a, :, cell] = figures(targets, choice, score, share)
            for figure, values in enumerate(influences(targets, choice, score, len(prior))):
                phi[a, figure, cell // FOLDS] += np.bincount(data.units[rows], values, minlength=units)
    return scores, phi


def truth(setting: Setting, w: Floats, b: Floats, rng: np.random.Generator) -> Floats:
    """Measure the (a, 2) mean differences to the control on fresh images; 0 for an arm that is the control again."""
    if len(set(setting.arms)) == 1:
        return np.zeros((len(w) - 1, 2))
    prior, c = _log_prior(setting), len(setting.counts)
    fresh = draw(replace(setting, unit_size=1, correlation=0.0), [FRESH // c] * c, rng)
    values = np.empty((len(w), w.shape[1], 2))
    for a, arm in enumerate(setting.arms):
        for cell in range(w.shape[1]):
            logits = fresh.features @ w[a, cell].T + b[a, cell]
            values[a, cell] = figures(fresh.targets, decided(arm, logits, prior), scored(logits, prior), prior)
    differences = (values[1:] - values[0]).mean(axis=1)
    return np.where(np.array([arm == setting.arms[0] for arm in setting.arms[1:]])[:, None], 0.0, differences)


def _log_prior(setting: Setting) -> Floats:
    return np.log(np.array(setting.counts) / sum(setting.counts))


def summary(setting: Setting, studies: Sequence[Study], figure: int) -> dict[str, str]:
    """Summarise studies of a setting for one figure.

    Returns:
        The mean true differences, and the mean errors of their estimates; how often the interval of one comparison
        covers the truth; how often a study of `COMPARED` arms has any false verdict; and how often it calls each arm
        better or worse, equivalent or identical, and identical. Arms that are all the same count together.
    """
    true = np.mean([study.truth[:, figure] for study in studies], axis=0)
    error = np.mean([[row[figure].difference for row in study.found] for study in studies], axis=0) - true
    covers, false, words = [], [], []
    for study in studies:
        own = [row[figure] for row in study.found]
        single = [verdicts.judge(found, comparisons=1) for found in own]
        many = [verdicts.judge(found, comparisons=COMPARED) for found in own]
        covers.append([isinstance(v, Verdict) and v.low <= t <= v.high for v, t in zip(single, true, strict=True)])
        words.append([v.word if isinstance(v, Verdict) else "none" for v in many])
        false.append(any(is_false(word, t) for word, t in zip(words[-1], true, strict=True)))
    table, arms = np.array(words), range(len(true)) if len(set(setting.arms)) > 1 else [slice(None)]

    def shares(*wanted: str) -> str:
        return " ".join(f"{100 * np.isin(table[:, arm], wanted).mean():.0f}" for arm in arms)

    return {
        "setting": setting.name,
        "figure": FIGURES[figure],
        "studies": str(len(studies)),
        "true": " ".join(f"{value:.3f}" for value in (true if len(set(setting.arms)) > 1 else true[:1])),
        "bias": " ".join(f"{value:.3f}" for value in (error if len(set(setting.arms)) > 1 else error[:1])),
        "coverage": " ".join(f"{100 * np.mean([row[arm] for row in covers]):.1f}" for arm in arms),
        "false": f"{100 * np.mean(false):.1f}",
        "different": shares("better", "worse"),
        "equivalent": shares("equivalent", "identical"),
        "identical": shares("identical"),
    }


def is_false(word: str, true: float) -> bool:
    """Say whether a word contradicts the true difference."""
    return (
        (word == "better" and true <= 0)
        or (word == "worse" and true >= 0)
        or (word in {"equivalent", "identical"} and abs(true) >= verdicts.MARGIN)
        or (word == "identical" and true != 0)
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=1.0, help="of the studies, for a short try (default: 1)")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default: 2)")
    arguments = parser.parse_args()
    writer = None
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for setting in SETTINGS:
            count = max(2, round(arguments.share * setting.studies))
            studies = list(tqdm(pool.map(partial(run, setting), range(count)), setting.name, count, file=sys.stderr))
            for figure in range(len(FIGURES)):
                row = summary(setting, studies, figure)
                if writer is None:
                    writer = csv.DictWriter(sys.stdout, row)
                    writer.writeheader()
                writer.writerow(row)
                sys.stdout.flush()


if __name__ == "__main__":
    main()
