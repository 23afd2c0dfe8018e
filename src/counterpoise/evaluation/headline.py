"""The figures of `metrics.json`, and what a reader must know about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.metrics import Metrics
from counterpoise.evaluation.scores import Score, Truth, count_units
from counterpoise.evaluation.tasks import Task

OF_POSITIVE = ("average_precision", "roc_auc")
"""Figures of the class that matters alone."""
PRIOR_TOLERANCE = 0.02
"""A share in test that differs from the target prior by more than this is noted."""


def headline(
    scores: Mapping[str, Mapping[str, Score]], own: Mapping[str, Score], truth: Truth, decision: Decision, task: Task
) -> Metrics:
    """Pick the figures of `metrics.json`, and say what a reader must know about them.

    Args:
        scores: For each variant its figures.
        own: The figures of the class that matters, as `class_scores.of_class` returns them.
        truth: What the images are.
        decision: The decision that is scored.
        task: What the labels mean.
    """
    selected = {name: scores["decided"][name] for name in task.HEADLINES}
    selected[f"{task.RAW}_raw"] = scores["raw"][task.RAW]
    selected |= {name: own[name] for name in ("recall", "precision")}
    figures: dict[str, float] = {name: value for name, (value, _) in selected.items() if not np.isnan(value)}
    spans = {name: (span.low, span.high) for name, (_, span) in selected.items() if not np.isnan(span.low)}
    positives = int(truth.targets[:, truth.positive].sum())
    figures["no_skill_average_precision"] = positives / len(truth.targets)
    figures |= task.no_skill(truth)
    figures |= {"test_images": len(truth.targets), "test_positives": positives}
    spans = {name: span for name, span in spans.items() if name in figures}
    supports = {
        "test_images": (len(truth.targets), count_units(truth.units)),
        "test_positives": (positives, count_units(truth.units[truth.targets[:, truth.positive]])),
    }
    notes = (*explanations(decision, task), *warnings(selected, truth, decision, task))
    return Metrics(figures, spans, supports, notes)


def explanations(decision: Decision, task: Task) -> tuple[str, str]:
    """Explain the figures: the first two notes of every run."""
    one = [name for name in task.HEADLINES if name in OF_POSITIVE]
    return (
        f"{', '.join(['recall', 'precision', *one])}: class {decision.positive!r} against all others; it matters "
        f"{decision.positive_reason}",
        f"decisions by rule {decision.rule!r} at the target prior; {task.RAW}_raw: {task.RAW_RULE}, of raw logits",
    )


def warnings(selected: Mapping[str, Score], truth: Truth, decision: Decision, task: Task) -> Iterator[str]:
    """Warn about the figures of this run: undefined ones, absent classes, another prior."""
    for name, (value, interval) in selected.items():
        if np.isnan(value):
            yield f"{name} is undefined: {_undefined(name, truth, decision.positive)}"
        elif interval.reason:
            yield f"{name} has no interval: {interval.reason}"
    class_counts = truth.targets.sum(axis=0)
    absent = [name for name, count in zip(decision.classes, class_counts, strict=True) if not count]
    if absent:
        yield f"classes without a test image are left out of every mean: {absent}"
    if np.abs(class_counts / len(truth.targets) - np.array(decision.target)).max() > PRIOR_TOLERANCE:
        yield (
            "the class shares in test differ from the target prior: "
            f"{task.DEPEND_ON_SHARES} hold for the shares in test, not for those in deployment"
        )


def _undefined(name: str, truth: Truth, positive: str) -> str:
    """Say why a figure of the class that matters is undefined."""
    of_class = truth.targets[:, truth.positive]
    if name == "precision":
        return f"class {positive!r} is never decided on test"
    if not of_class.any():
        return f"no test image has class {positive!r}"
    if of_class.all():
        return f"every test image has class {positive!r}"
    return "test has too few classes"
