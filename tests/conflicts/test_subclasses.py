"""What makes no sense with types of a class."""

import pytest

CASES = [
    (
        {"model__subclasses": {"solar": 3}, "loss": "auc_margin"},
        "loss 'auc_margin' compares examples of classes, not of their subtypes",
        {"model__subclasses": {"solar": 3}, "loss": "balanced_softmax"},
    ),
    (
        {"model__subclasses": {"solar": 3}, "loss": "gradient_harmonized"},
        "loss 'gradient_harmonized' keeps averages per class",
        {"model__subclasses": {"solar": 3}, "loss": "focal"},
    ),
    (
        {"model__subclasses": {"solar": 3}, "model__weights": "none"},
        "with model.weights 'none' there are no useful features to find subtypes with",
        {"model__subclasses": {"solar": 3}},
    ),
    (
        {"model__subclasses": {"solar": 3}, "train__sampler": "progressive"},
        "train.sampler 'progressive' would rebalance subtypes instead of classes",
        {"train__sampler": "progressive"},
    ),
    (
        {"model__subclasses": {"solar": 3}, "train__classifier": "tau_normalised"},
        "train.classifier 'tau_normalised' makes the last layer again for classes",
        {"train__classifier": "tau_normalised"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []


def test_a_parameter_that_the_loss_refuses_is_told_beside_types(problems):
    told = problems(loss="focal", losses__focal__alpha=0.25, model__subclasses={"solar": 3}, model__weights="none")
    assert [line.split(" is ")[0] for line in told] == [
        "params.yaml: model.subclasses",
        "params.yaml: losses.focal.alpha",
    ]
