"""What every figure gained from one run to the other, under its name in `metrics.json` or in the table of classes."""

from __future__ import annotations

from dataclasses import dataclass, field

from counterpoise import labels
from counterpoise.evaluation import box_differences, box_tables, paired, tasks
from counterpoise.evaluation.scores import Truth
from counterpoise.metrics.arguments import unit_codes
from counterpoise.metrics.difference import Difference
from counterpoise.report.facts import OF_POSITIVE, OVER_CLASSES
from counterpoise.report.texts import finite
from counterpoise.report.units import ROUGH
from counterpoise.revisions.run import Run, Scored
from counterpoise.study.wording import digits_of, signed

RESAMPLES = 100
"""For the interval of the calibration error, which is not shown: its difference has none."""
COUNTS = ("test_images", "test_positives", "classes_present")
"""Entries of `metrics.json` that describe test, and not the model."""


@dataclass(frozen=True)
class Gains:
    """Differences, the second run minus the first.

    Attributes:
        figures: By name of `metrics.json`.
        classes: By class and measure.
    """

    figures: dict[str, Difference] = field(default_factory=dict)
    classes: dict[tuple[str, str], Difference] = field(default_factory=dict)


def compute(base: Scored, now: Scored) -> Gains:
    """Compute paired differences on the same test images, of the class that matters to the second run."""
    names, task = now.test.classes, tasks.find(now.decision.task)
    truth = Truth(
        labels.indicators(now.test.labels, names),
        unit_codes(now.test.groups),
        names.index(now.decision.positive),
        RESAMPLES,
        0,
    )
    models = base.variants, now.variants
    figures = paired.gains(models, truth, task)
    if base.scenes is None or now.scenes is None:
        by_class = paired.gains_by_class(models, truth, task)
        return Gains(figures, {(names[index], measure): one for (index, measure), one in by_class.items()})
    of_boxes = box_differences.gains(base.scenes, now.scenes)
    for measure, name in box_tables.HEADLINES.items():
        if found := of_boxes.get((box_differences.ALL, measure)):
            figures[name] = found
    return Gains(figures, {key: one for key, one in of_boxes.items() if key[0] != box_differences.ALL})


def compared(run: Run) -> list[str]:
    """Name the figures of a run that describe its model."""
    return [name for name in run.metrics.figures if name not in COUNTS and not name.startswith("no_skill_")]


def units_behind(figure: str, run: Run) -> int:
    """Count the units that a figure of a run rests on: those of a class, of the rarest class, or of all images."""
    name, positives = figure.removesuffix("_raw"), run.metrics.supports["test_positives"][1]
    if name in OF_POSITIVE:
        return positives
    if name in OVER_CLASSES and "classes" in run.tables:
        own = run.tables["classes"]
        units = own.loc[(own["measure"] == "recall") & (own["units"] > 0), "units"]
        return int(units.min()) if len(units) else 0
    measures = [measure for measure, known in box_tables.HEADLINES.items() if known == figure]
    if measures and "detection_sizes" in run.tables:
        own = run.tables["detection_sizes"]
        return int(own.loc[(own["class"] == "") & (own["size"] == "all"), "units"].max())
    return run.metrics.supports["test_images"][1]


def differs(of: Difference | None, units: int) -> bool:
    """Say whether a difference may be called one: its interval leaves out 0, and rests on enough units."""
    return of is not None and of.clear and units >= ROUGH


def written(of: Difference | None) -> str:
    """Write a difference, with so many decimals that no end rounds to the other side of 0.

    Example:
        >>> written(Difference(0.04, 0.0001, 0.0799)), written(Difference(0.04, float("nan"), float("nan")))
        ('+0.0400 [0.0001, 0.0799]', '+0.040, no interval')
    """
    if of is None:
        return "n/a"
    if finite(of.low) is None or finite(of.high) is None:
        return f"{signed(of.value, 3)}, no interval"
    digits = digits_of(of.low, of.high, margin=0.0)
    return f"{signed(of.value, digits)} [{of.low:.{digits}f}, {of.high:.{digits}f}]"
