"""Calibrators that cannot learn what remedies without a closed form did to the prior."""

import pytest

CASES = [
    (
        {"loss": "focal", "decide__calibrator": "temperature"},
        "loss 'focal' changes the prior in a way that has no closed form; set decide.calibrator to 'auto' or one of "
        "['vector', 'platt', 'isotonic']",
        {"loss": "focal", "decide__calibrator": "vector"},
    ),
    (
        {"loss": "focal", "decide__calibrator": "none"},
        "decide.calibrator is 'none'",
        {"loss": "cross_entropy", "decide__calibrator": "none"},
    ),
    (
        {"oversample__strategy": "over", "task": "multilabel", "decide__calibrator": "temperature"},
        "oversample.strategy 'over' changes the prior in a way",
        {"oversample__strategy": "over", "task": "multilabel", "decide__calibrator": "isotonic"},
    ),
    (
        {"loss": "average_precision", "decide__calibrator": "temperature"},
        "loss 'average_precision' changes the prior in a way",
        {"loss": "average_precision", "decide__calibrator": "vector"},
    ),
    (
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced", "decide__calibrator": "temperature"},
        "weighting.defer_frac changes the prior in a way",
        {"weighting__scheme": "balanced", "decide__calibrator": "temperature"},
    ),
    (
        {"train__mix": "mixup", "decide__calibrator": "temperature"},
        "train.mix 'mixup' changes the prior in a way",
        {"train__mix": "mixup", "decide__calibrator": "vector"},
    ),
    (
        {"train__sampler": "progressive", "decide__calibrator": "temperature"},
        "train.sampler 'progressive' changes the prior in a way",
        {
            "train__sampler": "progressive",
            "train__classifier": "retrained",
            "model__freeze": "none",
            "decide__calibrator": "temperature",
        },
    ),
    (
        {"oversample__defer_frac": 0.5, "oversample__strategy": "over", "decide__calibrator": "temperature"},
        "oversample.defer_frac changes the prior in a way",
        {
            "oversample__defer_frac": 0.5,
            "oversample__strategy": "over",
            "train__classifier": "retrained",
            "model__freeze": "none",
            "decide__calibrator": "temperature",
        },
    ),
    (
        {"train__mix": "mixup", "loss": "focal", "decide__calibrator": "temperature"},
        "loss 'focal' and train.mix 'mixup' change the prior in a way",
        {"train__mix": "mixup", "loss": "focal"},
    ),
    (
        {"train__classifier": "tau_normalised", "decide__calibrator": "temperature"},
        "train.classifier 'tau_normalised' changes the prior in a way",
        {"train__classifier": "tau_normalised", "decide__calibrator": "vector"},
    ),
    (
        {"loss": "seesaw", "decide__calibrator": "temperature"},
        "loss 'seesaw' changes the prior in a way",
        {"loss": "logit_adjustment", "decide__calibrator": "temperature"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []
