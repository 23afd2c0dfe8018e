"""Does rule `precision_floor` keep its floor, and does it answer? Simulated validation sets whose truth is known.

    python benchmarks/precision_floor.py [--repetitions N]

Each cell draws N validation sets (500 take six minutes) with gaussian scores; 10 % of the images are positive. The
model is overconfident, and `temperature` calibrates it on the same images. In cells with clusters, five images form a
group: they have one label, and half the variance of their scores is shared. An attainable floor can be reached with a
recall of 0.87; an unattainable one is 5 % above the best precision of any threshold. A target of 3 % moves the floor to
a deployment where the class is rarer.

Printed are, for the former method (16 sizes, Wilson's bounds with Bonferroni's correction) and the present one, the
share of runs with a threshold, the share of runs in which the precision of this threshold is below the floor (5 % are
allowed), and the mean recall, 0 where there is no threshold.
"""

from __future__ import annotations

import argparse
import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, ndtr, ndtri

from counterpoise.calibration import calibrators
from counterpoise.decision import precision_floor, thresholds
from counterpoise.metrics import intervals

Floats = NDArray[np.float64]
PREVALENCE = 0.1
RECALL = 0.87
CLUSTER = 5
SHARED = 0.5
"""Share of the variance of scores that the images of a cluster have in common."""
OVERCONFIDENT = 1.5
"""Factor of the model's log-odds, which calibration has to undo."""


class Figures(NamedTuple):
    """What a method did over all runs of a cell: shares of the runs, and the mean recall."""

    answered: float
    broken: float
    recall: float


class World(NamedTuple):
    """Scores N(distance, 1) of positives, and N(0, 1) of negatives, of which some look like positives."""

    distance: float
    alike_frac: float

    def log_odds(self, scores: Floats, share: float) -> Floats:
        """Compute the true log-odds of a positive, where positives have this share."""
        ratio = np.exp(self.distance * scores - self.distance**2 / 2)
        return np.asarray(logit(share) + np.log(ratio / (1 - self.alike_frac + self.alike_frac * ratio)))

    def recall_and_precision(self, log_odds: float, share: float, target: float) -> tuple[float, float]:
        """Compute both exactly for images from these log-odds on, where the positives' share moves to `target`."""
        ratio = float(np.exp(log_odds - logit(share)))
        if ratio * self.alike_frac >= 1:
            return 0.0, 1.0
        ratio *= (1 - self.alike_frac) / (1 - ratio * self.alike_frac)
        least = (np.log(ratio) + self.distance**2 / 2) / self.distance
        recall = float(ndtr(self.distance - least))
        alarms = (1 - self.alike_frac) * float(ndtr(-least)) + self.alike_frac * recall
        right, wrong = target * recall, (1 - target) * alarms
        return recall, right / (right + wrong) if right else 1.0


def world(floor: float, target: float, *, attainable: bool) -> World:
    """Make classes so that the floor has recall 0.87 at the target, or is 5 % above any precision there."""
    alarms = target * RECALL * (1 - floor) / floor / (1 - target)
    best = 0.95 * floor
    alike = 0.0 if attainable else target * (1 - best) / best / (1 - target)
    return World(float(ndtri(RECALL) - ndtri(alarms)), alike)


def draw(
    model: World, positives: int, rng: np.random.Generator, *, clustered: bool
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.str_]]:
    """Draw scores, truths and groups of a validation set."""
    size = CLUSTER if clustered else 1
    truth = np.arange(round(positives / PREVALENCE / size)) < positives // size
    alike = truth | (rng.random(len(truth)) < model.alike_frac)
    groups = np.repeat(np.arange(len(truth)), size)
    shared = SHARED if clustered else 0.0
    noise = np.sqrt(shared) * rng.normal(size=len(truth))[groups]
    scores = model.distance * alike[groups] + noise + np.sqrt(1 - shared) * rng.normal(size=len(groups))
    return scores, truth[groups], groups.astype(str)


def former(
    probs: Floats, truth: NDArray[np.bool_], groups: NDArray[np.str_], val: float, target: float, floor: float
) -> float | None:
    """Choose as before: up to 16 sizes, each with Wilson's bound at the level divided by their number."""
    order = np.argsort(-probs, kind="stable")
    tried = np.unique(np.geomspace(1, len(order), 16).round().astype(int))
    passed = None
    for size in tried:
        right = truth[order[:size]]
        effect = intervals.design_effect(right, groups[order[:size]])
        low, _ = intervals.wilson(int(right.sum()), int(size), level=1 - 0.1 / len(tried), design_effect=effect)
        if thresholds.moved(np.array([float(low)]), val, target)[0] >= floor:
            passed = size
    if passed is None:
        return None
    ranked = np.append(probs[order], 0.0)
    return float(thresholds.moved(ranked[passed - 1 : passed + 1].mean(keepdims=True), val, target)[0])


METHODS = {"former": former, "present": precision_floor.threshold}


def simulate(
    positives: int, floor: float, target: float, *, attainable: bool, clustered: bool, repetitions: int
) -> dict[str, Figures]:
    """Run all methods on the same validation sets of one cell."""
    model = world(floor, target, attainable=attainable)
    outcomes: dict[str, list[tuple[bool, bool, float]]] = {name: [] for name in METHODS}
    for seed in range(repetitions):
        scores, truth, groups = draw(model, positives, np.random.default_rng(seed), clustered=clustered)
        share = float(truth.mean())
        logits = OVERCONFIDENT * model.log_odds(scores, share)[:, None]
        members = calibrators.of_task("multilabel")
        fit = members.fit("temperature", logits, truth[:, None].astype(np.int64), np.zeros(1), min_positives=1)
        probs = calibrators.apply(logits, fit.scale, fit.bias, np.zeros(1), task="multilabel")[:, 0]
        for name, method in METHODS.items():
            limit = method(probs, truth, groups, share, target, floor)
            if limit is None:
                outcomes[name].append((False, False, 0.0))
                continue
            at_val = float(logit(thresholds.moved(np.array([limit]), target, share)[0]))
            recall, precision = model.recall_and_precision(at_val / fit.scale[0] / OVERCONFIDENT, share, target)
            outcomes[name].append((True, precision < floor, recall))
    return {name: Figures(*np.mean(values, axis=0).tolist()) for name, values in outcomes.items()}


def main() -> None:
    """Print a line for each cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=500)
    repetitions = parser.parse_args().repetitions
    print(f"{repetitions} validation sets a cell; share with a threshold, share below the floor, mean recall")
    print(f"{'positives':>9}  floor  {'':12}  groups of  target  {'former':^18}  {'present':^18}")
    cells = itertools.product((20, 50, 200), (0.5, 0.8), (True, False), (False, True), (PREVALENCE, 0.03))
    for positives, floor, attainable, clustered, target in cells:
        found = simulate(positives, floor, target, attainable=attainable, clustered=clustered, repetitions=repetitions)
        words = "attainable" if attainable else "unattainable"
        figures = "  ".join(f"{one.answered:5.2f} {one.broken:6.3f} {one.recall:5.2f}" for one in found.values())
        line = f"{positives:9}  {floor:5}  {words:12}  {CLUSTER if clustered else 1:9}  {target:6}  {figures}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
