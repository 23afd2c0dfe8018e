"""Conflicts between the switches of a detector, and with what detectors do not have."""

import pytest

DETECTION = {
    "task": "detection",
    "ingest__source": "coco",
    "model__freeze": "none",
    "train__solver": "adamw",
    "decide__rule": "f_beta",
}
CASES = [
    ({"train__monitor": "ap50"}, "task 'multiclass' finds no boxes", DETECTION | {"train__monitor": "ap50"}),
    (DETECTION | {"model__freeze": "backbone"}, "a detector reads maps of images, which are not stored", DETECTION),
    (
        DETECTION | {"model__freeze": "first_n", "model__freeze_first": 9},
        "'tf_efficientnet_lite0' has 8 blocks; lower it",
        DETECTION | {"model__freeze": "first_n", "model__freeze_first": 8},
    ),
    (
        DETECTION | {"model__freeze": "first_n", "model__freeze_first": 8, "train__first_rate_frac": 0.1},
        "with model.freeze 'first_n' no block is trained",
        DETECTION | {"model__freeze": "first_n", "model__freeze_first": 7, "train__first_rate_frac": 0.1},
    ),
    (DETECTION | {"train__monitor": "balanced_accuracy"}, "boxes have no true negatives", DETECTION),
    (DETECTION | {"train__compile": True}, "train.compile is True, but each batch has other boxes", DETECTION),
    (
        DETECTION | {"detector__levels": [3, 2, 1, 4], "detector__name": "retinanet"},
        "detector.levels is [3, 2, 1, 4]; write each once, from fine to coarse",
        DETECTION | {"detector__name": "retinanet"},
    ),
    (
        DETECTION | {"detector__extra_levels": 1},
        "detector.anchors.sizes_px has 4 sizes, but there are 5 levels",
        DETECTION | {"detector__extra_levels": 1, "detector__anchors__kind": "fitted"},
    ),
    (
        DETECTION | {"loss": "gradient_harmonized", "detector__name": "retinanet", "detector__sampler": "every"},
        "background would drown them",
        DETECTION | {"loss": "gradient_harmonized", "detector__name": "retinanet"},
    ),
    (
        DETECTION | {"box_loss": "kl", "detector__task_weights": "uncertainty"},
        "whose values fall below 0",
        DETECTION | {"box_loss": "kl"},
    ),
    (
        DETECTION | {"detector__name": "fcos"},
        "box_loss",
        DETECTION | {"detector__name": "fcos", "box_loss": "giou"},
    ),
    (
        DETECTION | {"weighting__scheme": "negatives_over_positives"},
        "weights the positive entries of each label",
        DETECTION | {"weighting__scheme": "negatives_over_positives", "detector__name": "retinanet"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []
