"""What L-BFGS cannot fit, and what would have no effect on it."""

import pytest

from counterpoise import losses

ACTING = {
    "model__dropout": 0.5,
    "train__mix": "mixup",
    "train__sampler": "progressive",
    "train__accumulate": 2,
    "train__compile": True,
    "train__monitor": "none",
}


def test_the_shipped_parameters_have_no_fault_with_either_solver(problems):
    assert problems(train__solver="lbfgs") == problems(train__solver="adamw") == []


@pytest.mark.parametrize("name", ACTING)
def test_what_acts_on_steps_batches_or_epochs_needs_adamw(name, problems):
    (fault,) = problems(train__solver="lbfgs", **{name: ACTING[name]})
    assert name.replace("__", ".") in fault
    assert "set train.solver to 'adamw'" in fault or "or train.solver to 'adamw'" in fault
    assert problems(train__solver="adamw", **{name: ACTING[name]}) == []


@pytest.mark.parametrize(
    ("section", "key", "value"), [("weighting", "scheme", "balanced"), ("oversample", "strategy", "over")]
)
def test_what_starts_later_needs_adamw(section, key, value, problems):
    deferred = {f"{section}__{key}": value, f"{section}__defer_frac": 0.5}
    (fault,) = problems(train__solver="lbfgs", **deferred)
    assert f"{section}.defer_frac is 0.5, which starts after some epochs" in fault
    assert problems(train__solver="lbfgs", **(deferred | {f"{section}__defer_frac": 0.0})) == []


def test_a_network_needs_adamw_and_is_told_so_once(problems):
    (fault,) = problems(train__solver="lbfgs", model__freeze="none", model__dropout=0.5, train__mix="mixup")
    assert "with model.freeze 'none' the backbone is trained too; set train.solver to 'adamw'" in fault


@pytest.mark.parametrize("head", ["cosine", "dense"])
def test_another_head_needs_adamw(head, problems):
    (fault,) = problems(train__solver="lbfgs", model__head=head)
    assert f"model.head is '{head}'; set train.solver to 'adamw' (-S train.solver=adamw)" in fault


def test_a_loss_that_needs_adamw_says_why_and_how_to_compare(problems):
    (fault,) = problems(train__solver="lbfgs", loss="ohem")
    assert "loss 'ohem' needs train.solver 'adamw': it keeps the hardest values of a batch alone" in fault
    assert "add -S train.solver=adamw, and compare with loss 'cross_entropy' under 'adamw' too" in fault
    assert problems(train__solver="adamw", loss="ohem") == []


def test_every_other_loss_for_one_class_per_image_is_taken(problems):
    names = [name for name in losses.names() if not losses.refuses_task(name, "multiclass")]
    taken = [name for name in names if not losses.refuses_lbfgs(name)]
    assert {"cross_entropy", "focal", "logit_adjustment"} <= set(taken) < set(names)
    for name in taken:
        assert problems(train__solver="lbfgs", loss=name) == []
