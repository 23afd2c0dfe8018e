"""The top of the report: the problem, the outcome, and the headline figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.artifacts.model import DetectorCard
from counterpoise.report.charts.dots import dots
from counterpoise.report.charts.gauge import gauge
from counterpoise.report.charts.render import Drawing
from counterpoise.report.facts import Counts, Facts, counted, quote
from counterpoise.report.parts import Table, drawn
from counterpoise.report.texts import (
    PointEstimate,
    figure_name,
    write_count,
    write_prevalence,
    write_share,
    write_value,
)
from counterpoise.report.units import FEW, LEAST, MEANING

if TYPE_CHECKING:
    import pandas as pd

MEANINGS = {
    "accuracy": "share of images that are decided correctly",
    "balanced_accuracy": "mean of recall over all classes",
    "macro_f1": "mean of F1 over all classes; F1 combines precision and recall",
    "micro_f1": "F1 of all decisions together",
    "matthews": "correlation of truth and decision; 0: chance, 1: perfect",
    "exact_match": "share of images with every label right",
    "coverage": "labels to read, most probable first, to see all true ones",
    "average_precision": "quality of the ranking by the class that matters",
    "box_average_precision": "quality of the ranking and place of boxes; mean over classes, IoUs of 0.5 to 0.95",
    "box_average_precision_50": "the same at an IoU of 0.5",
    "box_average_precision_75": "the same at an IoU of 0.75",
    "box_lrp": "errors of place, misses and false alarms together; 0 is best",
    "box_f1": "balance of precision and recall of all boxes, at an IoU of 0.5",
    "box_false_alarms_per_image": "wrong boxes in an image on average",
    "box_false_alarms_per_square_km": "wrong boxes in a square kilometre of test on average",
    "mean_average_precision": "mean of average precision over the labels present",
    "roc_auc": "chance that a positive ranks above a negative",
    "expected_calibration_error": "gap between probability and observed share; lower is better",
    "brier_score": "squared error of the probabilities; lower is better",
    "recall": "share of the images of the class that are found",
    "precision": "share of the alarms that are right",
    "no_skill_average_precision": "average precision of random guessing",
    "no_skill_mean_average_precision": "mean average precision of random guessing",
    "test_images": "number of test images",
    "test_positives": "test images with the class that matters",
    "classes_present": "labels that occur in test",
}
"""Metric of `metrics.json` -> what it means, in a phrase."""


CHECKSUM_DIGITS = 8
"""Digits of the checksum of `metrics.json` on the page: enough to find the commit whose `dvc.lock` has it."""


@dataclass(frozen=True)
class HeadlineFigure:
    """A headline figure with its interval, its counts, and the value of no skill."""

    label: str
    value: str
    interval: str
    counts: str
    gauge: Drawing


@dataclass(frozen=True)
class FigureGroup:
    """Headline figures of one class, or of all classes."""

    heading: str
    figures: tuple[HeadlineFigure, ...]


def lede(facts: Facts) -> tuple[str, str, str]:
    """State the outcome, describe the problem, and say what to do next."""
    total, own, name = facts.classes.images, facts.classes.counts[facts.positive], quote(facts.positive_name)
    share = f"{write_prevalence(own / total)} of them: {counted(own, 'image')}"
    share += f", 1 in {total / own:.0f}." if total / own >= 1.5 else "."
    problem = f"{facts.task.problem(facts)} The one that matters, {name}, {facts.words.has_share} {share}"
    on = facts.test_counts
    if not on.positives:
        text = f"None of the {counted(on.total, 'test image')} has {name}, so this run cannot judge the model on it."
        return text, problem, next_step(facts)
    span, support = facts.metrics.intervals.get("recall"), facts.test_support
    finds = f"Finds {on.tp} of {write_count(on.positives)} test images of {name}{support.note}."
    if on.positives == 1:
        finds = f"{'Finds' if on.tp else 'Misses'} the only test image of {name}{support.note}."
    sure = "Uncertain: there is no interval." if support.units >= LEAST else ""
    if span:
        ends = f"{write_share(span[0])} to {write_share(span[1])}"
        sure = f"Uncertain: recall, the share found, may be {ends} (95 % interval)."
    rough = support.rough or facts.alarms[facts.positive].rough
    outcome = f"{finds} {_alarms(on, compare=not rough)} {sure}"
    return outcome.strip(), problem, next_step(facts)


def next_step(facts: Facts) -> str:
    """Say what to do next: the first thing that is in the way of a useful model."""
    on, support, name = facts.test_counts, facts.test_support, quote(facts.positive_name)
    if support.few:
        return f"Next: label more images of {name}, until test has at least {FEW} separate ones."
    span = facts.metrics.intervals.get("average_precision")
    if span and span[0] <= on.prevalence:
        return (
            f"Next: look at the mistakes. The ranking of {name} may have no skill, and then no decision rule can help; "
            "more images or another backbone can."
        )
    if on.fn + on.fp:
        return (
            "Next: look at the mistakes: are the labels right? Then weigh a missed image against a false alarm. "
            "Another decision rule (decide.rule in params.yaml) can find more at the price of more false alarms, or "
            "raise fewer and miss more. It needs no new training."
        )
    return "Next: try the model on new images, by counterpoise predict."


def verdict(facts: Facts) -> str:
    """Say if there are too few test units of the class that matters to judge the model; empty if there are enough."""
    support = facts.test_support
    show = "shows" if support.images == 1 else "show"
    have = f"{support.of('test image')} {show} {quote(facts.positive_name)}"
    if not support.images or not support.few:
        return ""
    if support.units < LEAST:
        return f"Not usable: only {have}. One unit does not show how others differ, so it gives no interval."
    if support.rough:
        return f"Not usable: only {have}."
    return f"Only {have}: too few to judge the model."


def test_set(facts: Facts) -> str:
    """Say what test holds, and explain brackets, ticks and units."""
    own, alone = facts.test_support, ""
    if len(np.unique(facts.units)) == len(facts.units):
        alone = " Here, each test image is a unit of its own."
    raw = "" if facts.boxes is not None else "Raw: before calibration and decision rule. "  # no card of boxes is raw
    return (
        f"Test: {facts.test_images}, {own.text} with the {facts.words.noun} that matters. Brackets: 95 % intervals. "
        f"Tick: no skill, the score of random guessing. {raw}{MEANING}{alone}"
    )


def _alarms(on: Counts, *, compare: bool) -> str:
    """Say how many alarms are right, and compare that with no skill."""
    if not on.predicted:
        return "Raises no alarm."
    if not on.tp:
        return f"Raises {counted(on.fp, 'alarm')}, none of which is right."
    verb = "is" if on.tp == 1 else "are"
    text = f"Of {counted(on.predicted, 'alarm')}, {write_count(on.tp)} {verb} right"
    if not compare:
        return f"{text}."
    text += f" ({write_share(on.precision)}; by guessing {write_prevalence(on.prevalence)})"
    each = round(on.fp / on.tp)
    return f"{text}: about {counted(each, 'false alarm')} for each image found." if each > 1 else f"{text}."


def dot_groups(counts: Counts) -> pd.DataFrame:
    """Group images into missed, found, false alarms and others."""
    import pandas as pd

    rows = [
        ("missed", counts.fn, "missed"),
        ("found", counts.tp, "found"),
        ("false alarm" if counts.fp == 1 else "false alarms", counts.fp, "alarm"),
        ("others", counts.tn, "rest"),
    ]
    return pd.DataFrame(rows, columns=["name", "count", "kind"])


def picture(facts: Facts) -> Drawing:
    """Draw every test image as a dot: found, missed, false alarm, or other."""
    on, name = facts.test_counts, quote(facts.positive_name)
    description = (
        f"Of {counted(on.total, 'test image')}, {on.positives} are {name}: {on.tp} found, {on.fn} missed; "
        f"{counted(on.fp, 'false alarm')} among the others."
    )
    chart = dots(dot_groups(on), title=f"{name} in test", description=description, noun="test image")
    return drawn(chart)[0]


def settings(facts: Facts) -> tuple[tuple[str, str], ...]:
    """List the main settings of the run, as recorded in the ledger and the model, and the checksum of its figures."""
    backbone = f"{facts.card.backbone}{', frozen' if facts.card.frozen else ''}"
    return (
        ("Loss", facts.card.loss),
        ("Class weights", facts.remedy("weighting.scheme")),
        ("Oversampling", facts.remedy("oversample.strategy")),
        ("Backbone", backbone),
        *([("Detector", facts.card.head)] if isinstance(facts.card, DetectorCard) else []),
        ("Calibrator", facts.decision.calibrator),
        ("Decision rule", facts.decision.rule),
        ("Checksum of figures", facts.checksum[:CHECKSUM_DIGITS]),
    )


def headline(facts: Facts) -> tuple[FigureGroup, ...]:
    """Make the headline figures of the class that matters, if test has it, and of all classes."""
    on = facts.test_counts
    every = FigureGroup(facts.all_classes, facts.task.headline_figures(facts))
    if not on.positives:
        return (every,)
    no_skill = write_value(on.prevalence, 3)
    support, alarms = facts.test_support, facts.alarms[facts.positive]
    only = f" (only {counted(support.units, 'unit')} of the {facts.words.noun})" if support.rough else ""
    own: tuple[HeadlineFigure, ...] = (
        headline_figure(facts, "recall", "Recall", f"{on.tp} of {counted(on.positives, 'image')} found{support.note}"),
        headline_figure(
            facts,
            "precision",
            "Precision",
            f"{on.tp} of {counted(on.predicted, 'alarm')} right{only or alarms.note}; no skill {no_skill}",
            on.prevalence,
        ),
        headline_figure(
            facts,
            "average_precision",
            "Average precision",
            f"quality of the ranking{only}; no skill {no_skill}",
            on.prevalence,
        ),
    )
    return FigureGroup(f"The {facts.words.noun} that matters: {quote(facts.positive_name)}", own), every


def headline_figure(facts: Facts, key: str, label: str, counts: str, no_skill: float | None = None) -> HeadlineFigure:
    """Look up a figure of `metrics.json`, and draw it.

    Args:
        facts: The artifacts of the run.
        key: The name of the figure in `metrics.json`.
        label: Its name in the report.
        counts: The counts behind it, and what to compare it with.
        no_skill: The value of no skill; None for no tick.
    """
    value, span = facts.metrics.figures.get(key), facts.metrics.intervals.get(key)
    return figure_card(label, PointEstimate(value, *(span or (None, None))), counts, no_skill)


def figure_card(label: str, estimate: PointEstimate, counts: str, no_skill: float | None = None) -> HeadlineFigure:
    """Draw a figure with its interval; the other arguments are those of `headline_figure`."""
    interval = estimate.text.removeprefix(write_value(estimate.value)).strip() or "no interval"
    words = f"{label}: {estimate.text}, between 0 and 1"
    if no_skill is not None and no_skill == no_skill:
        words += f"; no skill {write_value(no_skill)}"
    chart = gauge(*estimate.ends, description=words, no_skill=float("nan") if no_skill is None else no_skill)
    return HeadlineFigure(label, write_value(estimate.value), interval, counts, drawn(chart)[0])


def figures(facts: Facts) -> Table:
    """List every metric of `metrics.json` with its meaning."""
    rows = tuple(
        (
            figure_name(name),
            "; ".join(filter(None, (_meaning(name), facts.few_units(name)))),
            _three_decimals(value) if isinstance(value, float) else write_count(value),
            " to ".join(_three_decimals(end) for end in facts.metrics.intervals.get(name, ())),
        )
        for name, value in facts.metrics.figures.items()
    )
    head = ("metric", "meaning", "value", "95 % interval")
    return Table("All metrics of reports/metrics.json, rounded to three decimals.", head, rows, text_columns=2)


def _meaning(name: str) -> str:
    return MEANINGS.get(name.removesuffix("_raw"), "") + (", without rule" if name.endswith("_raw") else "")


def _three_decimals(value: float) -> str:
    """Round to three decimals, or one significant digit where these would be zero."""
    return f"{value:.1g}" if 0 < abs(value) < 0.0005 else write_value(value, 3)
