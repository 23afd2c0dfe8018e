"""How often do the 95 % intervals of the page hold the truth? Every figure, simulated with a known truth.

From the top of the repository, `python benchmarks/coverage.py`, which takes about ten minutes on one core, prints for
each figure and size of test the coverage in per cent, and the median width of the interval, with that of the former
one in brackets: by bootstrap, of shares Wilson's. `--repetitions 100` is a first look. `docs/measurements/coverage.csv`
holds what it printed.

Scores are normal: one for each class, higher by `skill` for the true one. Probabilities are Bayes' with log-odds 1.4
times too large, so that they are not calibrated. Images come alone, or in clusters of five of one class, whose scores
correlate by one half. Figures of one class are those of the rarest.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from counterpoise import seeds
from counterpoise.calibration import prevalence
from counterpoise.evaluation import estimates
from counterpoise.evaluation.class_scores import of_class
from counterpoise.evaluation.scores import Truth, Variant
from counterpoise.evaluation.tasks import multiclass, multilabel
from counterpoise.metrics import averages, confusion, intervals, probability, ranking
from counterpoise.metrics import multilabel as of_labels

Floats: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]
Figures: TypeAlias = dict[str, estimates.Score]
Values: TypeAlias = dict[str, Any]
Weights: TypeAlias = NDArray[Any] | None
CLUSTER = 5
CORRELATION = 0.5
OVERCONFIDENT = 1.4
FAVOUR = -0.7
"""Log-odds above which a label is decided for."""
STATED = 0.01
"""The prevalence that figures are carried to."""
POPULATION = 400_000
"""Examples of each class from which the truth is computed; they are weighed to the class shares."""
RESAMPLES, FORMER = 200, 60
"""Of the former bootstrap, and the number of samples that its median width comes from."""
NOTABLE = 0.005
"""A smaller share of samples without an interval is not printed."""


@dataclass(frozen=True)
class Cell:
    """One size of test.

    Attributes:
        name: Of its column.
        counts: Images of each class, the rarest last; for many labels, of each label.
        skill: By how many standard deviations the true class scores higher.
        clustered: Whether images come in clusters.
    """

    name: str
    counts: tuple[int, ...]
    skill: float
    clustered: bool = False


CELLS = (
    Cell("525_21_strong", (290, 140, 74, 21), 3.0),
    Cell("525_21_weak", (290, 140, 74, 21), 1.5),
    Cell("1000_8", (600, 300, 92, 8), 3.0),
    Cell("5000_50", (3000, 1500, 450, 50), 2.5),
    Cell("525_21_clusters", (290, 140, 74, 21), 2.5, clustered=True),
    Cell("1000_8_clusters", (600, 300, 92, 8), 3.0, clustered=True),
)
"""Images of test and of the rarest class. In the last two these come from 5 and 2 clusters."""


def scores_of(targets: Booleans, units: NDArray[np.int64], cell: Cell, rng: np.random.Generator) -> Floats:
    """Draw a score, (n, c), for each image and class."""
    own = rng.normal(size=targets.shape)
    if cell.clustered:
        shared = rng.normal(size=(int(units.max()) + 1, targets.shape[1]))[units]
        own = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
    return np.asarray(own + cell.skill * targets)


def one_class(targets: Booleans, scores: Floats, cell: Cell) -> Variant:
    """Turn scores into probabilities that are too sure, and decisions that favour rare classes somewhat."""
    log_shares = np.log(np.array(cell.counts) / sum(cell.counts))
    logits = OVERCONFIDENT * (cell.skill * scores + log_shares)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    decided = (cell.skill * scores + log_shares / 2).argmax(axis=1)
    return Variant(odds / odds.sum(axis=1, keepdims=True), np.eye(targets.shape[1], dtype=np.bool_)[decided])


def many_labels(targets: Booleans, scores: Floats, cell: Cell) -> Variant:
    """The same, where each label has a probability of its own."""
    shares = np.array(cell.counts) / sum(cell.counts)
    log_odds = cell.skill * scores - cell.skill**2 / 2 + np.log(shares / (1 - shares))
    probs = 1 / (1 + np.exp(-OVERCONFIDENT * log_odds))
    return Variant(probs, log_odds > FAVOUR)


def sample(cell: Cell, rng: np.random.Generator) -> tuple[tuple[Truth, Variant], tuple[Truth, Variant]]:
    """Draw test images with one class, and with many labels, both with fixed counts."""
    count, size, n = len(cell.counts), CLUSTER if cell.clustered else 1, sum(cell.counts)
    starts = np.concatenate([np.arange(number) % size == 0 for number in cell.counts])
    units = np.cumsum(starts) - 1
    classes = np.repeat(np.arange(count), cell.counts)
    targets = np.eye(count, dtype=np.bool_)[classes]
    truth = Truth(targets, units, count - 1, 1000, int(rng.integers(2**31)))
    labels = np.zeros((n, count), dtype=np.bool_)
    unit_of = np.arange(n) // size
    for index, number in enumerate(cell.counts):
        order = rng.permutation(int(unit_of.max()) + 1)[unit_of]
        labels[np.argsort(order, kind="stable")[:number], index] = True
    multi = Truth(labels, unit_of, count - 1, 1000, truth.seed)
    return (truth, one_class(targets, scores_of(targets, units, cell, rng), cell)), (
        multi,
        many_labels(labels, scores_of(labels, unit_of, cell, rng), cell),
    )


def figures_of(single: tuple[Truth, Variant], multi: tuple[Truth, Variant]) -> Figures:
    """Compute every figure of the page with its interval."""
    truth, variant = single
    index = truth.positive
    positives, scores, decided = truth.targets[:, index], variant.probs[:, index], variant.decided[:, index]
    figures: Figures = multiclass.figures(variant, truth) | of_class(variant, truth, index)
    figures[f"average precision at {STATED:.0%}"] = estimates.average_precision_at(
        positives, scores, truth.units, STATED
    )
    rates = estimates.rates(positives, decided, truth.units)
    figures[f"precision at {STATED:.0%}"] = estimates.precision_at(rates, STATED)
    labels, said = multi
    for name, score in (multilabel.figures(said, labels) | of_class(said, labels, index)).items():
        figures[f"labels: {name}"] = score
    return figures


def values_of(single: tuple[Truth, Variant], multi: tuple[Truth, Variant], weights: Weights, many: Weights) -> Values:
    """Compute every figure, for weights of the images with one class and of those with many labels."""
    (truth, variant), (labels, said) = single, multi
    index, targets, decided = truth.positive, truth.targets.argmax(axis=1), variant.decided.argmax(axis=1)
    table = confusion.confusion_matrix(targets, decided, truth.targets.shape[1], weights)
    positives, scores = truth.targets[:, index], variant.probs[:, index]
    moved = prevalence.importance(positives, STATED, weights)
    found = np.asarray(averages.ratio(table[..., index, index], table[..., index, :].sum(axis=-1)))
    wrong = table[..., :, index].sum(axis=-1) - table[..., index, index]
    tp, fp, fn = np.moveaxis(of_labels.counts(labels.targets, said.decided, many), -2, 0)
    others = table.sum(axis=(-1, -2)) - table[..., index, :].sum(axis=-1)
    return {
        "accuracy": np.trace(table, axis1=-2, axis2=-1) / table.sum(axis=(-1, -2)),
        "balanced_accuracy": confusion.balanced_accuracy(table),
        "macro_f1": confusion.macro_f1(table),
        "matthews": confusion.matthews(table),
        "expected_calibration_error": probability.expected_calibration_error(variant.probs, targets, weights),
        "brier_score": probability.brier(variant.probs, targets, weights),
        "roc_auc": ranking.roc_auc(positives, scores, weights),
        "average_precision": ranking.average_precision(positives, scores, weights),
        "precision": averages.ratio(table[..., index, index], table[..., :, index].sum(axis=-1)),
        "recall": found,
        f"average precision at {STATED:.0%}": ranking.average_precision(positives, scores, moved),
        f"precision at {STATED:.0%}": prevalence.precision_at(found, wrong / others, STATED),
        "labels: mean_average_precision": of_labels.mean_average_precision(labels.targets, said.probs, many),
        "labels: macro_f1": of_labels.macro_f1(labels.targets, said.decided, many),
        "labels: micro_f1": of_labels.micro_f1(labels.targets, said.decided, many),
        "labels: exact_match": averages.weighted_mean((labels.targets == said.decided).all(axis=1) * 1.0, many),
        "labels: coverage": of_labels.coverage(labels.targets, said.probs, many),
        "labels: expected_calibration_error": of_labels.calibration_error(labels.targets, said.probs, many),
        "labels: brier_score": of_labels.brier(labels.targets, said.probs, many),
        "labels: average_precision": ranking.average_precision(labels.targets[:, -1], said.probs[:, -1], many),
        "labels: precision": averages.ratio(tp[..., -1], tp[..., -1] + fp[..., -1]),
        "labels: recall": averages.ratio(tp[..., -1], tp[..., -1] + fn[..., -1]),
        "labels: roc_auc": ranking.roc_auc(labels.targets[:, -1], said.probs[:, -1], many),
    }


def population(cell: Cell, size: int) -> Values:
    """Compute the truth from `size` images of each class, weighed to the class shares."""
    rng = seeds.generator(0, "population", cell.name)
    count, alone = len(cell.counts), Cell(cell.name, cell.counts, cell.skill)
    shares = np.array(cell.counts) / sum(cell.counts)
    targets = np.eye(count, dtype=np.bool_)[np.repeat(np.arange(count), size)]
    labels = rng.random((count * size, count)) < shares
    units = np.arange(count * size)
    single, multi = (
        (Truth(given, units, count - 1, 1, 0), turned(given, scores_of(given, units, alone, rng), alone))
        for given, turned in ((targets, one_class), (labels, many_labels))
    )
    return values_of(single, multi, np.repeat(shares, size), None)


def former_widths(single: tuple[Truth, Variant], multi: tuple[Truth, Variant], rng: np.random.Generator) -> Values:
    """Compute the width of the former interval: percentiles over resamples of the units, of shares Wilson's."""
    weights, many = (
        intervals.bootstrap_weights(truth.units, resamples=RESAMPLES, rng=rng) for truth, _ in (single, multi)
    )
    spans = {name: intervals.percentile(values) for name, values in values_of(single, multi, weights, many).items()}
    widths = {name: span.high - span.low for name, span in spans.items()}
    for (truth, variant), whole, prefix in ((single, "accuracy", ""), (multi, "exact_match", "labels: ")):
        actual, decided = truth.targets[:, -1], variant.decided[:, -1]
        widths[prefix + whole] = wilson_width((truth.targets == variant.decided).all(axis=1), truth.units)
        widths[f"{prefix}recall"] = wilson_width(decided[actual], truth.units[actual])
        widths[f"{prefix}precision"] = wilson_width(actual[decided], truth.units[decided])
    return widths


def wilson_width(successes: Booleans, units: NDArray[np.int64]) -> float:
    """Compute the width of Wilson's interval, where units count as soon as some images succeed and some do not."""
    if not len(successes):
        return float("nan")
    alike = successes.all() or not successes.any()
    effect = 1.0 if alike else intervals.design_effect(successes, units)
    low, high = intervals.wilson(int(successes.sum()), len(successes), design_effect=effect)
    return float(high - low)


@dataclass(frozen=True)
class Found:
    """What was found of a figure at one size of test: shares in [0, 1], widths in the unit of the figure.

    Attributes:
        truth: The figure in the population.
        coverage: How often an interval held it; NaN without any interval.
        without: Share of the samples without an interval.
        width: Median width.
        former: Median width of the former interval.
    """

    truth: float
    coverage: float
    without: float
    width: float
    former: float


def simulate(cell: Cell, repetitions: int, size: int = POPULATION) -> dict[str, Found]:
    """Draw samples of one size of test, and compare their intervals with the truth."""
    truth, rng = population(cell, size), seeds.generator(0, "samples", cell.name)
    spans: dict[str, list[tuple[float, float]]] = {name: [] for name in truth}
    widths: dict[str, list[float]] = {name: [] for name in truth}
    for number in tqdm(range(repetitions), desc=cell.name, disable=not sys.stderr.isatty()):
        drawn = sample(cell, rng)
        for name, (_, interval) in figures_of(*drawn).items():
            spans[name].append((interval.low, interval.high))
        if number % max(1, repetitions // FORMER) == 0:
            for name, width in former_widths(*drawn, rng).items():
                widths[name].append(float(width))
    return {name: summary(float(truth[name]), np.array(pairs), np.array(widths[name])) for name, pairs in spans.items()}


def summary(truth: float, spans: Floats, former: Floats) -> Found:
    """Count how often (r, 2) intervals hold the truth; NaN where there is none."""
    low, high = spans[~np.isnan(spans[:, 0])].T
    known = former[~np.isnan(former)]
    return Found(
        truth,
        float(np.mean((low <= truth) & (truth <= high))) if len(low) else float("nan"),
        1 - len(low) / len(spans),
        float(np.median(high - low)) if len(low) else float("nan"),
        float(np.median(known)) if len(known) else float("nan"),
    )


def covered(found: Found) -> str:
    """Write a coverage in per cent, and the share of samples without an interval."""
    if found.without == 1:
        return "none"
    return f"{100 * found.coverage:.1f}" + (f" ({100 * found.without:.0f} none)" if found.without >= NOTABLE else "")


def wide(found: Found) -> str:
    """Write a width, with the former one in brackets."""
    return f"{found.width:.3f} ({found.former:.3f})" if found.without < 1 else f"none ({found.former:.3f})"


def main(arguments: list[str]) -> None:
    """Print a row for each figure, first the coverages, then the widths, as comma-separated values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000, help="samples of each size")
    parser.add_argument("--cell", help="part of the name of a size of test; by default all")
    asked = parser.parse_args(arguments)
    cells = [cell for cell in CELLS if asked.cell is None or asked.cell in cell.name]
    found = [simulate(cell, asked.repetitions) for cell in cells]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["group", "figure", *(cell.name for cell in cells)])
    for group, written in (("coverage", covered), ("width", wide)):
        for figure in found[0]:
            writer.writerow([group, figure.replace("_", " "), *(written(one[figure]) for one in found)])


if __name__ == "__main__":
    main(sys.argv[1:])
