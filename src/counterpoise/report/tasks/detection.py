"""The report for boxes: objects found and missed first, then the classes that an image shows, as for multilabel."""

from __future__ import annotations

from dataclasses import replace

from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part
from counterpoise.report.sections import boxes
from counterpoise.report.summary import HeadlineFigure, headline_figure
from counterpoise.report.tasks import multilabel
from counterpoise.report.tasks.multilabel import JUDGED_BY as JUDGED_BY
from counterpoise.report.tasks.multilabel import calibrated_sentence as calibrated_sentence
from counterpoise.report.tasks.multilabel import decides_by_threshold as decides_by_threshold
from counterpoise.report.tasks.multilabel import findings as findings
from counterpoise.report.tasks.multilabel import moves_prior as moves_prior
from counterpoise.report.tasks.multilabel import unattainable as unattainable
from counterpoise.report.tasks.multilabel import variants_caption as variants_caption
from counterpoise.report.texts import write_count

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
    rarer = boxes.density(facts)
    return [
        boxes.outcome(facts, of),
        boxes.curves(facts, of),
        boxes.error_kinds(facts, of),
        boxes.sizes(facts),
        *((rarer,) if rarer else ()),
        boxes.in_data(facts, of),
        *multilabel.parts(facts),
    ]


def problem(facts: Facts) -> str:
    """Say how many images, objects and classes there are."""
    of = facts.boxes
    if of is None:
        return multilabel.problem(facts)
    objects = int((of.labelled["ignore"] == 0).sum())
    found, missed, false = of.counts()
    return (
        f"{counted(facts.classes.images, 'image')} with {counted(objects, 'object')} of {facts.label_count}. In test, "
        f"{write_count(found)} of {counted(found + missed, 'object')} are found, with {counted(false, 'false alarm')}."
    )


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
