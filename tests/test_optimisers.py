"""Which parameters decay, and at which rate they move."""

import pytest
import torch
from torch import nn

from counterpoise import optimisers


def test_weight_decay_spares_biases_norms_and_parameters_of_a_loss() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    of_loss = nn.Parameter(torch.ones(2, 2))
    decayed, spared, others = optimisers.adamw(network, [of_loss], learning_rate=0.1, weight_decay=0.3).param_groups
    assert decayed["weight_decay"] == 0.3
    assert spared["weight_decay"] == others["weight_decay"] == 0
    assert {parameter.ndim for parameter in decayed["params"]} == {2, 4}
    assert len(spared["params"]) == 4
    assert others["params"] == [of_loss]


def test_what_asks_for_no_gradient_is_not_trained() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    groups = optimisers.adamw(network, [], learning_rate=0.1, weight_decay=0.3).param_groups
    assert sum(len(group["params"]) for group in groups) == 2


def test_a_rate_holds_for_every_parameter() -> None:
    optimizer = optimisers.adamw(nn.Linear(2, 2), [nn.Parameter(torch.ones(1))], learning_rate=0.1, weight_decay=0.0)
    optimisers.set_rate(optimizer, 0.02)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.02] * 3)
