"""Cross-entropy against PyTorch, scikit-learn and values by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.cross_entropy import Params, cross_entropy, prior_factors


def a_batch(n: int = 8, c: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, c, generator=generator, dtype=torch.float64), torch.arange(n) % c


def test_value_by_hand():
    value = cross_entropy(torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0]))  # p_t = 3/4
    assert value.item() == pytest.approx(math.log(4 / 3))


def test_smoothed_value_by_hand():
    # q = (0.95, 0.05), p = (3/4, 1/4)
    value = cross_entropy(torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0]), label_smoothing=0.1)
    assert value.item() == pytest.approx(0.95 * math.log(4 / 3) + 0.05 * math.log(4))


def test_no_skill_costs_log_c():
    assert cross_entropy(torch.zeros(3, 5), torch.tensor([0, 2, 4])).tolist() == pytest.approx([math.log(5)] * 3)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.7])
def test_the_mean_equals_pytorchs(label_smoothing):
    logits, targets = a_batch()
    expected = functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    assert cross_entropy(logits, targets, label_smoothing=label_smoothing).mean() == pytest.approx(expected)


def test_the_mean_equals_scikit_learns_log_loss():
    logits, targets = a_batch()
    expected = log_loss(targets.numpy(), logits.softmax(dim=1).numpy())
    assert cross_entropy(logits, targets).mean().item() == pytest.approx(expected)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_the_gradient_is_probability_minus_target(label_smoothing):
    logits, targets = a_batch()
    logits.requires_grad_()
    cross_entropy(logits, targets, label_smoothing=label_smoothing).sum().backward()  # type: ignore[no-untyped-call]
    wanted = (1 - label_smoothing) * np.eye(4)[targets.numpy()] + label_smoothing / 4
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), logits.detach().softmax(dim=1).numpy() - wanted, atol=1e-12)
    assert torch.autograd.gradcheck(lambda z: cross_entropy(z, targets, label_smoothing=label_smoothing), [logits])


def test_plain_cross_entropy_leaves_the_prior_alone_and_smoothing_makes_it_unknown():
    assert prior_factors(Params(label_smoothing=0.0), [9, 1]) == (1.0, 1.0)
    assert prior_factors(Params(label_smoothing=0.1), [9, 1]) is None


@pytest.mark.parametrize("label_smoothing", [-0.1, 1.0])
def test_smoothing_out_of_range_is_refused(label_smoothing):
    with pytest.raises(ValueError, match=rf"label_smoothing is {label_smoothing}; expected a number in \[0, 1\)"):
        cross_entropy(*a_batch(), label_smoothing=label_smoothing)
    with pytest.raises(config.InputError, match=r"losses.cross_entropy.label_smoothing is"):
        losses.build(
            "cross_entropy",
            task="multiclass",
            class_counts=[1, 1],
            example_count=2,
            params={"label_smoothing": label_smoothing},
        )


def test_of_many_labels_it_is_pytorchs_binary_cross_entropy():
    logits, targets = torch.randn(5, 3), torch.tensor([[1, 0, 1]] * 5)
    expected = functional.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none")
    torch.testing.assert_close(cross_entropy(logits, targets), expected)


def test_smoothing_of_many_labels_moves_each_target_towards_one_half():
    logits = torch.tensor([[2.0]])
    expected = 0.95 * cross_entropy(logits, torch.tensor([[1]])) + 0.05 * cross_entropy(logits, torch.tensor([[0]]))
    torch.testing.assert_close(cross_entropy(logits, torch.tensor([[1]]), label_smoothing=0.1), expected)
