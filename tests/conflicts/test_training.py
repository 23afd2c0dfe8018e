"""Epochs, batches and members that make no sense together."""

import pytest

CASES = [
    (
        {"train__augment": "flips", "model__freeze": "backbone"},
        "use oversample.views for augmented copies, or set model.freeze to 'none'",
        {"train__augment": "flips", "model__freeze": "none"},
    ),
    (
        {"train__accumulate": 5, "train__batch_size": 8},
        "train.accumulate is 5, which cuts batches of train.batch_size 8 into parts of fewer than two examples; lower "
        "it to at",
        {"train__accumulate": 4, "train__batch_size": 8},
    ),
    (
        {"weighting__defer_frac": 0.8},
        "weighting.defer_frac is 0.8, but with weighting.scheme 'none' there is nothing to defer",
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced"},
    ),
    (
        {"oversample__defer_frac": 0.8},
        "oversample.defer_frac is 0.8, but with oversample.strategy 'none' there is nothing to defer",
        {"oversample__defer_frac": 0.8, "oversample__strategy": "over"},
    ),
    (
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced", "train__epochs": 1},
        "weighting.defer_frac is 0.8, but with train.epochs 1 no epoch is left for weighting.scheme 'balanced'",
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced", "train__epochs": 2},
    ),
    (
        {"oversample__synthetic": "smote"},
        "oversample.synthetic is 'smote', but with oversample.strategy 'none' no sample is repeated",
        {"oversample__synthetic": "smote", "oversample__strategy": "over"},
    ),
    (
        {"oversample__synthetic": "smote", "oversample__strategy": "over", "model__freeze": "none"},
        "oversample.synthetic is 'smote', but with model.freeze 'none' there are no stored features",
        {"oversample__synthetic": "smote", "oversample__strategy": "square_root"},
    ),
    (
        {"oversample__synthetic": "smote", "oversample__strategy": "over", "oversample__views": 2},
        "it replaces augmented views too; set oversample.views to 0",
        {"oversample__synthetic": "borderline_smote", "oversample__strategy": "repeat_factor"},
    ),
    (
        {"train__mix": "cutmix"},
        "with model.freeze 'backbone' the head only sees features; take 'mixup'",
        {"train__mix": "cutmix", "model__freeze": "none"},
    ),
    (
        {"predict__average": "probabilities"},
        "with train.members 1 and predict.tta 'none' there is nothing to average",
        {"predict__average": "probabilities", "train__members": 2},
    ),
    (
        {"train__classifier": "retrained"},
        "with model.freeze 'backbone' only the head is trained anyway; take oversample.strategy 'over'",
        {"train__classifier": "retrained", "model__freeze": "none", "decide__calibrator": "temperature"},
    ),
    (
        {"train__sampler": "progressive", "train__epochs": 1},
        "which needs at least 2 epochs",
        {"train__sampler": "progressive", "train__epochs": 2},
    ),
    (
        {"train__mix": "mixup", "train__batch_size": 1},
        "train.batch_size 1 there is no second example to mix with",
        {"train__mix": "mixup", "train__batch_size": 2},
    ),
    (
        {"train__classifier": "retrained", "model__head": "dense"},
        "train.classifier is 'retrained', but with model.freeze 'backbone'",
        {"train__classifier": "tau_normalised", "model__head": "dense"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []
