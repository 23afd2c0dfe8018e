"""Targets, costs and unlabelled images that make no sense together."""

import pytest

DETECTION = {"task": "detection", "ingest__source": "coco", "model__freeze": "none", "train__solver": "adamw"}
CASES = [
    (
        {"decide__rule": "least_cost", "decide__costs": {}},
        "decide.costs is empty; state the costs",
        {"decide__rule": "least_cost", "decide__costs": {"a": {"b": 5.0}}},
    ),
    (
        {"decide__rule": "balanced", "decide__costs": {"a": {"b": 5.0}}},
        "decide.rule 'balanced' does not use it; set decide.rule to 'least_cost'",
        {"decide__rule": "balanced", "decide__costs": {}},
    ),
    (
        {"decide__unlabelled": "results/predictions/test.parquet"},
        "decide.unlabelled is 'results/predictions/test.parquet', which the pipeline writes",
        {"decide__unlabelled": "data/unlabelled/there.parquet"},
    ),
    (
        {"decide__unlabelled": "../there.parquet"},
        "decide.unlabelled is '../there.parquet'; expected a file or folder inside the repository",
        {"decide__unlabelled": "there.parquet", "decide__target": "estimated"},
    ),
    (
        {"decide__target": {"a": 2.0, "b": 0.5}},
        "decide.target.a is 2.0; expected a number of at most 1",
        {"decide__target": "natural"},
    ),
    ({"decide__target": {}}, "must be shares that sum to 1, found {}", {"decide__target": {"a": 0.9, "b": 0.1}}),
    (
        {"decide__target": {"a": -1.0}, "task": "multilabel"},
        "decide.target.a is -1.0; expected a number of at least 0",
        {"decide__target": {"a": 0.2}, "task": "multilabel"},
    ),
    (
        {"decide__rule": "false_alarms"},
        "decide.rule 'false_alarms' counts boxes, which task 'multiclass' does not have",
        {"decide__rule": "false_alarms", **DETECTION},
    ),
    (
        {"decide__rule": "balanced", **DETECTION},
        "decide.rule 'balanced' needs the number of boxes that are rightly left out",
        {"decide__rule": "f_beta", **DETECTION},
    ),
    (
        {"decide__calibrator": "temperature", "decide__rule": "f_beta", **DETECTION},
        "decide.calibrator 'temperature' has no bias for each class",
        {"decide__calibrator": "isotonic", "decide__rule": "f_beta", **DETECTION},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []
