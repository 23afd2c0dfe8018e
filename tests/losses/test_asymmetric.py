"""Asymmetric loss against timm, the gradient its paper derives, its limits, and values by hand."""

import math
from typing import Any

import pytest
import torch
from timm.loss.asymmetric_loss import AsymmetricLossMultiLabel, AsymmetricLossSingleLabel
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.asymmetric import Params, asymmetric, prior_factors
from counterpoise.losses.focal import focal

PAPER: dict[str, Any] = {"gamma_pos": 0.0, "gamma_neg": 4.0, "clip": 0.05}
NONE: dict[str, Any] = {"gamma_pos": 0.0, "gamma_neg": 0.0, "clip": 0.0, "label_smoothing": 0.0}
SETTINGS: list[dict[str, Any]] = [
    PAPER,
    {"gamma_pos": 1.0, "gamma_neg": 4.0, "clip": 0.2},
    {"gamma_pos": 0.5, "gamma_neg": 0.5, "clip": 0.05},
    {"gamma_pos": 2.0, "gamma_neg": 3.0, "clip": 0.0},
    {"gamma_pos": 0.0, "gamma_neg": 0.0, "clip": 0.05},
]


def a_batch(n: int = 12, c: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def some_labels() -> tuple[Tensor, Tensor]:
    logits, _ = a_batch()
    return logits, (torch.arange(48).reshape(12, 4) % 3 == 0).long()


def written_out(z: float, borne: int, gamma_pos: float, gamma_neg: float, clip: float) -> float:
    p = 1 / (1 + math.exp(-z))
    if borne:
        return -math.pow(1 - p, gamma_pos) * math.log(p)
    p_m = max(p - clip, 0)
    return -math.pow(p_m, gamma_neg) * math.log(1 - p_m)


@pytest.mark.parametrize("block", SETTINGS)
def test_each_entry_is_the_papers_formula(block):
    logits, targets = some_labels()
    rows = zip(logits.tolist(), targets.tolist(), strict=True)
    expected = [[written_out(z, y, **block) for z, y in zip(*row, strict=True)] for row in rows]
    torch.testing.assert_close(
        asymmetric(logits, targets, **block), torch.tensor(expected, dtype=torch.float64), rtol=1e-7, atol=1e-15
    )


@pytest.mark.parametrize("block", SETTINGS)
def test_of_many_labels_it_is_timms(block):
    """In single precision, and where 1 - p does not lose its digits."""
    logits, targets = some_labels()
    theirs = AsymmetricLossMultiLabel(**block, reduction="none")(logits / 3, targets)
    torch.testing.assert_close(asymmetric(logits.float() / 3, targets, **block), theirs, rtol=1e-5, atol=1e-6)


def test_a_label_that_is_missed_by_far_pulls_where_a_clamped_logarithm_does_not():
    z = torch.tensor([[-30.0]], requires_grad=True)
    theirs = AsymmetricLossMultiLabel(**PAPER, reduction="sum")(z, torch.ones(1, 1))
    assert theirs.item() == pytest.approx(-math.log(1e-8), rel=1e-6)
    assert torch.autograd.grad(theirs, z)[0].item() == 0
    value = asymmetric(z, torch.ones(1, 1), **PAPER)
    assert value.item() == pytest.approx(30)
    assert torch.autograd.grad(value.sum(), z)[0].item() == pytest.approx(-1)


@pytest.mark.parametrize("block", SETTINGS)
def test_the_gradient_of_a_label_not_borne_is_the_one_that_the_paper_derives(block):
    """dL/dz = p_m^g (1 / (1 - p_m) - g log(1 - p_m) / p_m) p (1 - p): it flows through the power, too."""
    z = torch.linspace(-1.2, 12, 50, dtype=torch.float64)[:, None].requires_grad_()  # above the margins
    (slope,) = torch.autograd.grad(asymmetric(z, torch.zeros(50, 1), **block).sum(), z)
    p, g = z.detach().sigmoid(), block["gamma_neg"]
    p_m = p - block["clip"]
    expected = p_m**g * (1 / (1 - p_m) - g * torch.log(1 - p_m) / p_m) * p * (1 - p)
    torch.testing.assert_close(slope, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("gamma_neg", [0.0, 0.5, 4.0])
def test_a_label_not_borne_costs_nothing_up_to_the_margin(gamma_neg):
    z = torch.tensor([0.001, 0.02, 0.0499]).logit()[:, None].requires_grad_()
    value = asymmetric(z, torch.zeros(3, 1), gamma_pos=0.0, gamma_neg=gamma_neg, clip=0.05)
    assert not value.any()
    assert not torch.autograd.grad(value.sum(), z)[0].any()


def test_without_powers_and_margin_it_is_cross_entropy():
    logits, targets = some_labels()
    expected = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    torch.testing.assert_close(asymmetric(logits, targets, **NONE), expected)
    logits, classes = a_batch()
    torch.testing.assert_close(
        asymmetric(logits, classes, **NONE), functional.cross_entropy(logits, classes, reduction="none")
    )


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_with_equal_powers_and_no_margin_it_is_focal_loss(gamma):
    logits, targets = some_labels()
    torch.testing.assert_close(
        asymmetric(logits, targets, gamma_pos=gamma, gamma_neg=gamma),
        focal(logits, targets, gamma=gamma),
        rtol=1e-6,
        atol=1e-12,
    )


@pytest.mark.parametrize("gamma_neg", [0.0, 4.0])
def test_of_one_class_without_smoothing_it_is_focal_loss_whatever_gamma_neg(gamma_neg):
    logits, classes = a_batch()
    found = asymmetric(logits, classes, gamma_pos=2.0, gamma_neg=gamma_neg)
    torch.testing.assert_close(found, focal(logits, classes, gamma=2.0))


@pytest.mark.parametrize("gammas", [(0.0, 4.0), (1.0, 4.0), (2.0, 0.5), (0.0, 0.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_of_one_class_it_is_timms(gammas, smoothing):
    logits, classes = a_batch()
    theirs = AsymmetricLossSingleLabel(gammas[0], gammas[1], eps=smoothing, reduction="none")(logits, classes)
    found = asymmetric(logits, classes, gamma_pos=gammas[0], gamma_neg=gammas[1], label_smoothing=smoothing)
    torch.testing.assert_close(found, theirs)


def test_without_powers_smoothing_is_pytorchs():
    logits, classes = a_batch()
    expected = functional.cross_entropy(logits, classes, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(asymmetric(logits, classes, **{**NONE, "label_smoothing": 0.1}), expected)


@pytest.mark.parametrize("block", SETTINGS)
def test_the_gradient_agrees_with_finite_differences(block):
    logits, targets = some_labels()
    assert torch.autograd.gradcheck(lambda z: asymmetric(z, targets, **block), [logits.requires_grad_()])
    gammas = {"gamma_pos": block["gamma_pos"], "gamma_neg": block["gamma_neg"], "label_smoothing": 0.1}
    logits, classes = a_batch()
    assert torch.autograd.gradcheck(lambda z: asymmetric(z, classes, **gammas), [logits.requires_grad_()])


@pytest.mark.parametrize("block", SETTINGS)
def test_single_precision_keeps_its_digits(block):
    z = torch.linspace(-30, 30, 121)[:, None]
    for borne in (0, 1):
        targets = torch.full((121, 1), borne)
        exact = asymmetric(z.double(), targets, **block)
        torch.testing.assert_close(asymmetric(z, targets, **block).double(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("true", "output"), [(0.01, 0.32), (0.1, 0.48), (0.9, 0.92)])
def test_probabilities_come_out_too_high_as_the_docs_say(true, output):
    def slope(p: float) -> float:
        z = torch.tensor([[p], [p]], dtype=torch.float64).logit().requires_grad_()
        values = asymmetric(z, torch.tensor([[1], [0]]), **PAPER)[:, 0]
        return float(torch.autograd.grad(true * values[0] + (1 - true) * values[1], z)[0].sum())

    assert slope(output - 0.006) < 0 < slope(output + 0.006)


def test_only_zeros_leave_the_prior_alone():
    assert prior_factors(Params(**NONE), [9, 1]) == (1.0, 1.0)
    for name in NONE:
        assert prior_factors(Params(**{**NONE, name: 0.1}), [9, 1]) is None


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"gamma_neg is -1.0; expected numbers of at least 0"):
        asymmetric(*some_labels(), gamma_pos=0.0, gamma_neg=-1.0)
    with pytest.raises(ValueError, match=r"clip is 1.0, label_smoothing is 0.0; expected numbers in \[0, 1\)"):
        asymmetric(*some_labels(), gamma_pos=0.0, gamma_neg=1.0, clip=1.0)
    with pytest.raises(config.InputError, match=r"losses.asymmetric.clip is 1.0"):
        losses.build(
            "asymmetric", task="multilabel", class_counts=[1, 1], example_count=2, params={**NONE, "clip": 1.0}
        )
