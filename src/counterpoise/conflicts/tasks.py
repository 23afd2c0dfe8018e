"""Settings that exist for tasks of one link only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import sources, tasks
from counterpoise.config import MANY_LABELS, ONE_CLASS, PATH
from counterpoise.conflicts import double_correction, subclasses
from counterpoise.detection import detectors
from counterpoise.imbalance import class_weights, resampling

ONLY_FOR = (
    (
        "weighting",
        "scheme",
        ONE_CLASS,
        tuple(name for name in class_weights.SCHEMES if name != "none"),
        "weights whole images by their one class",
    ),
    (
        "weighting",
        "scheme",
        MANY_LABELS,
        tuple(name for name in class_weights.LABEL_SCHEMES if name != "none"),
        "weights the positive entries of each label",
    ),
    ("oversample", "strategy", MANY_LABELS, resampling.OF_LABEL_SETS, "compares sets of labels"),
    ("oversample", "synthetic", ONE_CLASS, ("smote", "borderline_smote"), "computes new points of one class"),
    ("oversample", "strategy", MANY_LABELS, resampling.OF_BOXES, "counts boxes"),
    ("oversample", "majority_only", MANY_LABELS, ("drop",), "compares sets of labels"),
    ("decide", "calibrator", ONE_CLASS, ("vector",), "needs exactly one class per image"),
)
"""Section, key, the task that they are for, values, and what they do."""


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what is for tasks with another link than that of this task."""
    task = content["task"]
    link = tasks.find(task).LINK
    of_classes = tasks.find(detectors.task_of_classes(task, content["detector"]["name"])).LINK
    for section, key, suits, values, does in ONLY_FOR:
        value = content[section][key]
        meant = of_classes if section == "weighting" else link
        if meant != tasks.find(suits).LINK and value in values:
            yield f"{PATH}: {section}.{key} {value!r} {does}; it is for task {suits!r}, not {task!r}; set another value"
    yield from _without_boxes(content)
    yield from BY_LINK[link](content)


def _without_boxes(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse a source of labels without boxes for a task of objects, and objects pasted where there are none."""
    source = content["ingest"]["source"]
    if content["oversample"]["copy_paste"]["frac"] and not tasks.find(content["task"]).HAS_BOXES:
        yield (
            f"{PATH}: oversample.copy_paste.frac is {content['oversample']['copy_paste']['frac']:g}, but task "
            f"{content['task']!r} has no boxes to cut objects out by; set it to 0.0"
        )
    if tasks.find(content["task"]).HAS_BOXES and not sources.find(source).GIVES_BOXES:
        with_boxes = [name for name in sources.names() if sources.find(name).GIVES_BOXES]
        yield (
            f"{PATH}: task {content['task']!r} needs boxes, which source {source!r} does not give; set ingest.source "
            f"to one of {with_boxes}"
        )


def _exclusive_classes(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what one class per image rules out."""
    if content["oversample"]["empty_ratio"] is not None:
        yield (
            f"{PATH}: oversample.empty_ratio is for tiles without any label; with one class per image there are none; "
            "set it to null"
        )
    if content["decide"]["at_least"]:
        yield f"{PATH}: decide.at_least is for task 'multilabel'; with one class per image set it to 0"
    yield from double_correction.refused_of_exclusive_classes(content)
    yield from subclasses.refused(content)


def _many_labels(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what needs classes that exclude each other."""
    if content["split"]["balance"]:
        yield (
            f"{PATH}: split.balance needs exactly one class per image: with several labels, balancing one label "
            "changes others; set it to false"
        )
    for name, usual in double_correction.rebalancing_switches(content["train"]).items():
        yield f"{PATH}: {name} needs exactly one class per image; with task 'multilabel' set it to {usual!r}"
    if content["model"]["subclasses"]:
        yield (
            f"{PATH}: model.subclasses is {content['model']['subclasses']}, but with task 'multilabel' the "
            "probabilities of two labels do not add up, since an image may have both; set it to {}"
        )


BY_LINK = {"softmax": _exclusive_classes, "sigmoid": _many_labels}
"""The conflicts of tasks with each link."""
