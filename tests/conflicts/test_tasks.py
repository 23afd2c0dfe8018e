"""What is made for another kind of task."""

from pathlib import Path

import pytest

from counterpoise import config
from counterpoise.calibration import links
from counterpoise.conflicts import tasks

ROOT = Path(__file__).resolve().parents[2]

CASES = [
    (
        {"weighting__scheme": "inverse_share"},
        "weighting.scheme 'inverse_share' weights the positive entries of each label; it is for task 'multilabel', "
        "not 'multiclass'",
        {"weighting__scheme": "inverse_share", "task": "multilabel"},
    ),
    (
        {"weighting__scheme": "balanced", "task": "multilabel"},
        "weighting.scheme 'balanced' weights whole images by their one class; it is for task 'multiclass', not "
        "'multilabel'",
        {"weighting__scheme": "balanced"},
    ),
    (
        {"oversample__strategy": "ml_ros"},
        "oversample.strategy 'ml_ros' compares sets of labels",
        {"oversample__strategy": "ml_ros", "task": "multilabel"},
    ),
    (
        {"oversample__synthetic": "smote", "oversample__strategy": "over", "task": "multilabel"},
        "oversample.synthetic 'smote' computes new points of one class; it is for task 'multiclass'",
        {"oversample__synthetic": "smote", "oversample__strategy": "over"},
    ),
    (
        {"decide__calibrator": "vector", "task": "multilabel"},
        "decide.calibrator 'vector' needs exactly one class per image",
        {"decide__calibrator": "vector"},
    ),
    (
        {"task": "detection", "decide__rule": "f_beta", "model__freeze": "none", "train__solver": "adamw"},
        "task 'detection' needs boxes, which source 'csv' does not give; set ingest.source to one of ['boxes_csv', "
        "'coco', 'geojson', 'voc', 'yolo']",
        {
            "task": "detection",
            "decide__rule": "f_beta",
            "ingest__source": "coco",
            "model__freeze": "none",
            "train__solver": "adamw",
        },
    ),
    (
        {"split__balance": True, "task": "multilabel"},
        "split.balance needs exactly one class per image",
        {"split__balance": True},
    ),
    (
        {"model__subclasses": {"solar": 3}, "task": "multilabel"},
        "the probabilities of two labels do not add up",
        {"model__subclasses": {"solar": 3}},
    ),
    (
        {"train__sampler": "progressive", "task": "multilabel"},
        "train.sampler 'progressive' needs exactly one class per image; with task 'multilabel' set it to 'as_drawn'",
        {"train__sampler": "progressive"},
    ),
    (
        {"oversample__strategy": "box_repeat_factor"},
        "oversample.strategy 'box_repeat_factor' counts boxes",
        {"oversample__strategy": "box_repeat_factor", "task": "multilabel"},
    ),
    (
        {"oversample__majority_only": "drop", "oversample__majority": ["a"]},
        "oversample.majority_only 'drop' compares sets of labels",
        {"oversample__majority_only": "drop", "oversample__majority": ["a"], "task": "multilabel"},
    ),
    (
        {"oversample__empty_ratio": 1.0},
        "oversample.empty_ratio is for tiles without any label",
        {"oversample__empty_ratio": 1.0, "task": "multilabel"},
    ),
    (
        {"oversample__majority_only": "drop", "task": "multilabel"},
        "oversample.majority_only is 'drop', but oversample.majority names no class",
        {"oversample__majority_only": "drop", "oversample__majority": ["a"], "task": "multilabel"},
    ),
    (
        {
            "oversample__copy_paste__frac": 0.5,
            "oversample__copy_paste__classes": ["panel"],
            "oversample__strategy": "over",
            "oversample__views": 3,
        },
        "oversample.copy_paste.frac is 0.5, but task 'multiclass' has no boxes to cut objects out by; set it to 0.0",
        {"oversample__copy_paste__frac": 0.0, "oversample__copy_paste__classes": ["panel"]},
    ),
    (
        {"decide__at_least": 2},
        "decide.at_least is for task 'multilabel'",
        {"decide__at_least": 2, "task": "multilabel"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []


def test_a_task_with_the_same_link_is_refused_what_its_model_is(third_task):
    """A third task needs no line in `conflicts`, nor in any loss."""
    content = config.load(ROOT) | {"task": third_task}
    assert list(tasks.refused(content)) == []
    content["decide"]["at_least"] = 1
    content["weighting"]["scheme"] = "inverse_share"
    assert [line.split("; it is for")[0] for line in tasks.refused(content)] == [
        "params.yaml: weighting.scheme 'inverse_share' weights the positive entries of each label",
        "params.yaml: decide.at_least is for task 'multilabel'; with one class per image set it to 0",
    ]


def test_every_link_of_a_task_has_its_conflicts():
    assert set(tasks.BY_LINK) == set(links.names())
