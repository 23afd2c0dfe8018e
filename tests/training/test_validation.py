"""Figures of validation: those of a network by hand, and what is not a number."""

import numpy as np
import pytest
import torch
from torch import nn

from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.networks import devices
from counterpoise.training import validation
from counterpoise.training.examples import Examples
from counterpoise.training.objective import Objective

GOAL = Objective(nn.CrossEntropyLoss(reduction="none"), torch.ones(2), "multiclass")
CPU = devices.pick("cpu", "float32")


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_figures_are_those_of_all_examples_whatever_the_batches(batch_size: int) -> None:
    logits = np.array([[2, 0], [0, 2], [0, 2], [0, 2]], dtype=np.float32)
    val = Examples(FeatureInputs(logits, np.arange(4)), torch.tensor([0, 0, 1, 1]))
    figures = validation.validate(nn.Identity(), val, GOAL, CPU, batch_size)
    right = np.log1p(np.exp(-2))
    assert figures["val/loss"] == pytest.approx((3 * right + 2 + right) / 4)
    assert figures["val/balanced_accuracy"] == pytest.approx(0.75)


def test_a_logit_that_is_not_finite_leaves_no_figure() -> None:
    logits = np.array([[np.inf, 0]], dtype=np.float32)
    val = Examples(FeatureInputs(logits, np.arange(1)), torch.tensor([0]))
    assert np.isnan(list(validation.validate(nn.Identity(), val, GOAL, CPU, 4).values())).all()
