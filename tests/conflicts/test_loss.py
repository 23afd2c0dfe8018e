"""What makes no sense with a loss."""

import pytest

CASES = [
    (
        {"loss": "auc_pairwise", "weighting__scheme": "balanced"},
        "weighting.scheme is 'balanced', but loss 'auc_pairwise' compares examples with each other",
        {"loss": "auc_pairwise", "weighting__scheme": "none"},
    ),
    (
        {"loss": "auc_margin", "task": "multilabel", "weighting__scheme": "inverse_share"},
        "weighting.scheme is 'inverse_share', but loss 'auc_margin'",
        {"loss": "auc_margin", "task": "multilabel", "weighting__scheme": "none"},
    ),
    (
        {"train__pretrain_frac": 0.2},
        "train.pretrain_frac is 0.2, but loss 'cross_entropy' needs no epochs of plain cross-entropy before it",
        {"train__pretrain_frac": 0.2, "loss": "auc_pairwise"},
    ),
    (
        {"train__pretrain_frac": 0.2, "loss": "auc_pairwise", "train__epochs": 1},
        "train.pretrain_frac is 0.2, but with train.epochs 1 no epoch is left for loss 'auc_pairwise'",
        {"train__pretrain_frac": 0.2, "loss": "auc_pairwise", "train__epochs": 2},
    ),
    (
        {"train__accumulate": 2, "loss": "auc_pairwise"},
        "train.accumulate is 2, but loss 'auc_pairwise' compares examples within a batch",
        {"train__accumulate": 2},
    ),
    (
        {"train__mix": "mixup", "loss": "auc_pairwise"},
        "train.mix is 'mixup', but loss 'auc_pairwise' compares examples with each other",
        {"train__mix": "mixup"},
    ),
    (
        {"train__sampler": "progressive", "loss": "auc_margin"},
        "which needs stratified batches of unmixed examples; set train.sampler to 'as_drawn'",
        {"train__sampler": "progressive"},
    ),
    (
        {"loss": "distribution_balanced"},
        "loss 'distribution_balanced' is ",
        {"loss": "distribution_balanced", "task": "multilabel"},
    ),
    (
        {"loss": "focal", "losses__focal__alpha": 0.25},
        "losses.focal.alpha is 0.25, which weights present labels against absent ones",
        {"loss": "focal", "losses__focal__alpha": 0.25, "task": "multilabel"},
    ),
    (
        {"loss": "focal", "losses__focal__alpha": 0.75, "task": "multilabel", "weighting__scheme": "inverse_share"},
        "losses.focal.alpha is 0.75 and weighting.scheme is 'inverse_share', which both weight the present labels",
        {"loss": "focal", "losses__focal__alpha": None, "task": "multilabel", "weighting__scheme": "inverse_share"},
    ),
    (
        {"loss": "ldam", "model__head": "linear"},
        "model.head is 'linear', but the margins of loss 'ldam' need features and weights of fixed length",
        {"loss": "ldam", "model__head": "cosine", "weighting__scheme": "balanced"},
    ),
    (
        {"loss": "logit_adjustment", "weighting__scheme": "balanced"},
        "weighting.scheme is 'balanced', but loss 'logit_adjustment' already corrects for class counts",
        {"loss": "logit_adjustment", "oversample__strategy": "square_root", "model__head": "cosine"},
    ),
    (
        {"loss": "balanced_softmax", "task": "multilabel"},
        "'multilabel': it shifts the logits of one softmax, in which classes exclude each other",
        {"loss": "balanced_softmax"},
    ),
]


@pytest.mark.parametrize(("refused", "part", "allowed"), CASES)
def test_each_senseless_combination_is_refused_and_its_neighbour_is_not(refused, part, allowed, problems):
    (text,) = problems(**refused)
    assert text.startswith("params.yaml: ")
    assert part in text
    assert problems(**allowed) == []


def test_a_loss_of_another_task_is_refused_once_and_not_asked_for_its_parameters(problems):
    told = problems(loss="balanced_softmax", task="multilabel", weighting__scheme="inverse_share")
    assert [line.split(": ")[1].split(" is ")[0] for line in told] == ["loss 'balanced_softmax'", "weighting.scheme"]
