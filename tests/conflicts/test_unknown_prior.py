"""Calibrators that cannot learn what remedies without a closed form did to the prior."""

import pytest

CASES = [
    (
        {"loss": "focal", "decide__calibrator": "temperature"},
        "what loss 'focal' does to the prior has no closed form; set it to 'auto' or one of ['vector', 'platt', "
        "'isotonic']",
        {"loss": "focal", "decide__calibrator": "vector"},
    ),
    (
        {"loss": "focal", "decide__calibrator": "none"},
        "decide.calibrator is 'none'",
        {"loss": "cross_entropy", "decide__calibrator": "none"},
    ),
    (
        {"oversample__strategy": "over", "task": "multilabel", "decide__calibrator": "temperature"},
        "what oversample.strategy 'over' does to the prior has no closed form",
        {"oversample__strategy": "over", "task": "multilabel", "decide__calibrator": "isotonic"},
    ),
    (
        {"loss": "average_precision", "decide__calibrator": "temperature"},
        "what loss 'average_precision' does to the prior has no closed form",
        {"loss": "average_precision", "decide__calibrator": "vector"},
    ),
    (
        {"weighting__defer_frac": 0.8, "weighting__scheme": "balanced", "decide__calibrator": "temperature"},
        "what weighting.defer_frac does to the prior has no closed form",
        {"weighting__scheme": "balanced", "decide__calibrator": "temperature"},
    ),
    (
        {"train__mix": "mixup", "decide__calibrator": "temperature"},
        "what train.mix 'mixup' does to the prior has no closed form",
        {"train__mix": "mixup", "decide__calibrator": "vector"},
    ),
    (
        {"train__sampler": "progressive", "decide__calibrator": "temperature"},
        "what train.sampler 'progressive' does to the prior has no closed form",
        {
            "train__sampler": "progressive",
            "train__classifier": "retrained",
            "model__freeze": "none",
            "decide__calibrator": "temperature",
        },
    ),
    (
        {"oversample__defer_frac": 0.5, "oversample__strategy": "over", "decide__calibrator": "temperature"},
        "what oversample.defer_frac does to the prior has no closed form",
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
        "what loss 'focal' and train.mix 'mixup' do to the prior has no closed form",
        {"train__mix": "mixup", "loss": "focal"},
    ),
    (
        {"train__classifier": "tau_normalised", "decide__calibrator": "temperature"},
        "what train.classifier 'tau_normalised' does to the prior has no closed form",
        {"train__classifier": "tau_normalised", "decide__calibrator": "vector"},
    ),
    (
        {"loss": "seesaw", "decide__calibrator": "temperature"},
        "what loss 'seesaw' does to the prior has no closed form",
        {"loss": "logit_adjustment", "decide__calibrator": "temperature"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []
