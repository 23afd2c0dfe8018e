"""The report for boxes: objects found and missed first, then the classes that an image shows, as for multilabel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from counterpoise.report.facts import Facts, counted, listed, quote
from counterpoise.report.parts import Part
from counterpoise.report.sections import box_samples, boxes
from counterpoise.report.summary import HeadlineFigure, headline_figure
from counterpoise.report.tasks import multilabel
from counterpoise.report.tasks.multilabel import JUDGED_BY as JUDGED_BY
from counterpoise.report.tasks.multilabel import calibrated_sentence as calibrated_sentence
from counterpoise.report.tasks.multilabel import decides_by_threshold as decides_by_threshold
from counterpoise.report.tasks.multilabel import moves_prior as moves_prior
from counterpoise.report.tasks.multilabel import unattainable as unattainable
from counterpoise.report.tasks.multilabel import variants_caption as variants_caption
from counterpoise.report.texts import write_count
from counterpoise.report.warnings import Finding

OF_IMAGES = ("per-class", "precision-recall", "calibration", "confusion", "thresholds", "ways", "called")
"""Anchors of parts that say which classes an image shows, not where."""
WORDS = replace(
    multilabel.WORDS,
    mistakes_note="Full blue lines: found; dashed: missed; thick orange lines: false alarms. Each class has its own "
    "threshold.",
)


def parts(facts: Facts) -> list[Part]:
    """Make the parts of the report: boxes first, then whole images."""
    of = facts.boxes
    if of is None:
        return multilabel.parts(facts)
    rarer, samples = boxes.density(facts), box_samples.in_training(facts, of)
    return [
        boxes.outcome(facts, of),
        boxes.curves(facts, of),
        boxes.error_kinds(facts, of),
        boxes.sizes(facts),
        *((rarer,) if rarer else ()),
        boxes.in_data(facts, of),
        *((samples,) if samples else ()),
        *_of_images(multilabel.parts(facts)),
    ]


def _of_images(parts: Sequence[Part]) -> list[Part]:
    """Name the parts about whole images so, and leave out their prevalence: that of objects is density."""
    return [
        replace(part, heading=f"Whole images: {part.heading[0].lower()}{part.heading[1:]}")
        if part.anchor in OF_IMAGES
        else part
        for part in parts
        if part.anchor not in ("prevalence", "expected")
    ]


def findings(facts: Facts) -> Iterator[Finding]:
    """Warn of classes whose boxes are never decided for, and of those that share one calibration."""
    of = facts.boxes
    if of is None:
        return
    rows = list(zip(facts.names, of.decision.thresholds, of.decision.pooled, strict=True))
    if never := [quote(name) for name, limit, _ in rows if limit is None]:
        yield Finding(
            f"No box of {facts.count_classes(len(never))} is ever decided for.",
            f"{listed(never)}: no threshold satisfies rule “{of.decision.rule}” on validation. Another decide.rule or "
            "a lower limit can help, or more labels.",
        )
    if pooled := [quote(name) for name, _, shared in rows if shared]:
        yield Finding(
            f"Boxes of {facts.count_classes(len(pooled))} share one calibration.",
            f"{listed(pooled)}: validation has too few right or wrong boxes of them for separate calibrations "
            "(decide.min_positives).",
        )


def problem(facts: Facts) -> str:
    """Say how many images, objects and classes there are."""
    of = facts.boxes
    if of is None:
        return multilabel.problem(facts)
    objects = int((of.labelled["ignore"] == 0).sum())
    return f"{counted(facts.classes.images, 'image')} with {counted(objects, 'object')} of {facts.label_count}."


def headline_figures(facts: Facts) -> tuple[HeadlineFigure, ...]:
    """Choose figures of boxes."""
    of = facts.boxes
    if of is None or "box_average_precision_50" not in facts.metrics.figures:
        return multilabel.headline_figures(facts)
    found, missed, false = of.counts()
    images = len(facts.test.image_ids)
    return (
        headline_figure(
            facts,
            "box_average_precision_50",
            "Average precision at IoU 0.5",
            "do right boxes have higher scores than wrong ones; a mean over classes",
        ),
        headline_figure(
            facts,
            "box_f1",
            "F1 of boxes",
            f"{write_count(found)} of {counted(found + missed, 'object')} found, {false / images:.2g} false alarms "
            "per image",
        ),
        headline_figure(
            facts,
            "box_average_precision",
            "Average precision",
            "the same for IoUs of 0.5 to 0.95: how well boxes lie, too",
        ),
    )
