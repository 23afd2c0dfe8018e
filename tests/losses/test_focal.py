"""Focal loss against torchvision, its limits, and values by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from counterpoise import config, losses
from counterpoise.losses.focal import Params, focal, prior_factors


def a_batch(n: int = 8, c: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def test_value_by_hand():
    value = focal(torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0]), gamma=2.0)  # p_t = 3/4
    assert value.item() == pytest.approx(math.log(4 / 3) / 16)


def test_an_example_at_p_t_0_9_counts_a_hundredth_as_lin_et_al_say():
    logits, targets = torch.log(torch.tensor([[0.9, 0.1]])), torch.tensor([0])
    assert (focal(logits, targets, gamma=0.0) / focal(logits, targets, gamma=2.0)).item() == pytest.approx(
        100, rel=1e-5
    )


def test_gamma_zero_is_cross_entropy():
    logits, targets = a_batch()
    torch.testing.assert_close(
        focal(logits, targets, gamma=0.0), functional.cross_entropy(logits, targets, reduction="none")
    )


def test_a_vanishing_gamma_goes_to_cross_entropy():
    logits, targets = a_batch()
    torch.testing.assert_close(
        focal(logits, targets, gamma=1e-9), functional.cross_entropy(logits, targets, reduction="none")
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.5, 2.0, 5.0])
def test_two_classes_equal_torchvisions_sigmoid_focal_loss(gamma):
    z = torch.linspace(-15, 15, 41, dtype=torch.float64)
    for truth in (0, 1):
        targets = torch.full((41,), truth)
        ours = focal(torch.stack([torch.zeros_like(z), z], dim=1), targets, gamma=gamma)
        theirs = sigmoid_focal_loss(z, targets.double(), alpha=-1, gamma=gamma)
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_the_gradient_agrees_with_finite_differences(gamma):
    logits, targets = a_batch()
    assert torch.autograd.gradcheck(lambda z: focal(z, targets, gamma=gamma), [logits.requires_grad_()])


@pytest.mark.parametrize("gamma", [0.1, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_perfect_prediction_costs_nothing_and_pulls_nowhere(gamma, dtype):
    logits = torch.tensor([[100.0, 0.0]], dtype=dtype, requires_grad=True)
    value = focal(logits, torch.tensor([0]), gamma=gamma)
    value.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert value.item() == 0
    assert logits.grad.abs().max().item() < 1e-30


def test_single_precision_keeps_its_digits_close_to_certainty():
    logits, targets = torch.tensor([[12.0]]), torch.tensor([[1]])
    exact = focal(logits.double(), targets, gamma=2.0).item()
    assert focal(logits, targets, gamma=2.0).item() == pytest.approx(exact, rel=1e-5)


def test_the_value_of_an_example_depends_on_itself_alone():
    logits, targets = a_batch()
    alone = torch.cat([focal(logits[[row]], targets[[row]], gamma=2.0) for row in range(len(logits))])
    together = focal(logits, targets, gamma=2.0)
    assert together.shape == (8,)  # never (n, n), from (n,) times (n, 1)
    torch.testing.assert_close(together, alone)


def test_only_gamma_zero_leaves_the_prior_alone():
    assert prior_factors(Params(gamma=0.0, alpha=None), [9, 1]) == (1.0, 1.0)
    assert prior_factors(Params(gamma=2.0, alpha=None), [9, 1]) is None


def test_without_gamma_an_alpha_multiplies_the_odds_of_each_label():
    assert prior_factors(Params(gamma=0.0, alpha=0.25), [9, 1]) == pytest.approx((1 / 3, 1 / 3))
    assert prior_factors(Params(gamma=2.0, alpha=0.5), [9, 1]) is None
    z = torch.tensor(math.log(0.1 / 0.9 / 3))  # a label of one in ten, at the odds that the factor foretells
    logits = z.repeat(10, 1).double().requires_grad_()
    values = focal(logits, (torch.arange(10) == 0).long()[:, None], gamma=0.0, alpha=0.25)
    (slope,) = torch.autograd.grad(values.sum(), logits)
    assert slope.sum().item() == pytest.approx(0, abs=1e-7)


def test_a_negative_gamma_is_refused():
    with pytest.raises(ValueError, match=r"gamma is -1.0; expected a number of at least 0"):
        focal(*a_batch(), gamma=-1.0)
    with pytest.raises(config.InputError, match=r"losses.focal.gamma is -1.0"):
        losses.build(
            "focal", task="multiclass", class_counts=[1, 1], example_count=2, params={"gamma": -1.0, "alpha": None}
        )


def test_of_many_labels_it_is_torchvisions_sigmoid_focal_loss_without_alpha():
    logits, targets = torch.randn(6, 3), (torch.arange(18).reshape(6, 3) % 2).float()
    for gamma in (0.0, 1.5, 2.0):
        expected = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=gamma)
        torch.testing.assert_close(focal(logits, targets, gamma=gamma), expected)


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_with_alpha_it_is_torchvisions_sigmoid_focal_loss(alpha, gamma):
    logits = 4 * torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    targets = torch.arange(18).reshape(6, 3) % 2
    expected = sigmoid_focal_loss(logits, targets.double(), alpha=alpha, gamma=gamma)
    torch.testing.assert_close(focal(logits, targets, gamma=gamma, alpha=alpha), expected, rtol=1e-6, atol=1e-12)
    assert torch.autograd.gradcheck(lambda z: focal(z, targets, gamma=gamma, alpha=alpha), [logits.requires_grad_()])
    assert focal(logits.bfloat16(), targets, gamma=gamma, alpha=alpha).dtype == torch.bfloat16


def test_an_alpha_is_for_many_labels_and_lies_between_0_and_1():
    with pytest.raises(ValueError, match=r"alpha is 0.25; expected a number in \(0, 1\), and multilabel targets"):
        focal(*a_batch(), gamma=2.0, alpha=0.25)
    with pytest.raises(ValueError, match=r"alpha is 1.0; expected"):
        focal(torch.zeros(2, 2), torch.eye(2), gamma=2.0, alpha=1.0)
    block = {"gamma": 2.0, "alpha": 0.25}
    with pytest.raises(config.InputError, match=r"losses.focal.alpha is 0.25, .* weighting.scheme gives each class"):
        losses.build("focal", task="multiclass", class_counts=[1, 1], example_count=2, params=block)
    loss = losses.build("focal", task="multilabel", class_counts=[1, 1], example_count=2, params=block)
    assert loss(torch.zeros(1, 2), torch.tensor([[1, 0]]))[0, 1] == pytest.approx(0.75 * math.log(2) / 4)


def test_values_of_labels_by_hand_with_the_alpha_of_lin_et_al() -> None:
    """alpha_t (1 - p_t)^2 (-log p_t): 0.25 * 0.25 * log 2; 0.75 * 0.8808^2 * 2.1269; 0.25 * 0.8808^2 * 2.1269."""
    loss = losses.build(
        "focal", task="multilabel", class_counts=[1], example_count=3, params={"gamma": 2.0, "alpha": 0.25}
    )
    found = loss(torch.tensor([[0.0], [2.0], [-2.0]]), torch.tensor([[1], [0], [1]]))
    assert found[:, 0].tolist() == pytest.approx([0.043322, 1.237559, 0.412520], abs=1e-6)
