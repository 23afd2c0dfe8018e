"""Remedies that would correct the prior twice, or change nothing."""

import pytest

CASES = [
    (
        {"train__sampler": "progressive", "weighting__scheme": "balanced"},
        "train.sampler 'progressive' rebalances the classes, and so does weighting.scheme 'balanced'",
        {"train__sampler": "progressive"},
    ),
    (
        {"train__sampler": "progressive", "oversample__strategy": "over"},
        "oversample.strategy 'over' changes them; set train.sampler to 'as_drawn'",
        {"train__sampler": "progressive", "oversample__strategy": "none"},
    ),
    (
        {"train__classifier": "retrained", "model__freeze": "none", "weighting__scheme": "balanced"},
        "train.classifier 'retrained' rebalances the classes, and so does weighting.scheme 'balanced'",
        {"train__classifier": "retrained", "model__freeze": "none"},
    ),
    *(
        ({"train__sampler": "progressive", "loss": loss}, f"and so does loss {loss!r}", {"loss": loss})
        for loss in ("balanced_softmax", "logit_adjustment", "vector_scaling", "seesaw")
    ),
    (
        {"oversample__strategy": "over", "weighting__scheme": "balanced"},
        "weighting.scheme 'balanced' uses the samples per class, but with oversample.strategy 'over' all classes have",
        {"oversample__strategy": "square_root", "weighting__scheme": "balanced"},
    ),
    (
        {"oversample__strategy": "under", "loss": "balanced_softmax"},
        "loss 'balanced_softmax' uses the samples per class, but with oversample.strategy 'under' all classes have",
        {"oversample__strategy": "under", "loss": "seesaw"},
    ),
    (
        {
            "train__sampler": "progressive",
            "train__classifier": "retrained",
            "model__freeze": "none",
            "loss": "balanced_softmax",
        },
        "train.sampler 'progressive' rebalances the classes, and so does loss 'balanced_softmax'",
        {"train__classifier": "retrained", "model__freeze": "none", "loss": "balanced_softmax"},
    ),
    (
        {"train__classifier": "tau_normalised", "loss": "balanced_softmax"},
        "train.classifier 'tau_normalised' rebalances the classes, and so does loss 'balanced_softmax'",
        {"train__classifier": "retrained", "loss": "balanced_softmax", "model__freeze": "none"},
    ),
    (
        {"train__classifier": "tau_normalised", "oversample__strategy": "over"},
        "but oversample.strategy 'over' balances the samples; take one of the two",
        {"train__classifier": "tau_normalised"},
    ),
    (
        {"train__classifier": "tau_normalised", "train__sampler": "progressive"},
        "but train.sampler 'progressive' balances the samples; take one of the two",
        {"train__sampler": "progressive"},
    ),
    (
        {"train__classifier": "tau_normalised", "model__head": "cosine"},
        "with model.head 'cosine' they already are",
        {"train__classifier": "tau_normalised", "model__head": "linear"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []
