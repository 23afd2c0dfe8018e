"""Which parameters decay, and at which rate they move."""

import pytest
import torch
from torch import nn

from counterpoise.training.optimizer import adamw, set_rate


def test_weight_decay_spares_biases_norms_and_parameters_of_a_loss() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    of_loss = nn.Parameter(torch.ones(2, 2))
    decayed, spared, others = adamw(network, [of_loss], learning_rate=0.1, weight_decay=0.3).param_groups
    assert decayed["weight_decay"] == 0.3
    assert spared["weight_decay"] == others["weight_decay"] == 0
    assert {parameter.ndim for parameter in decayed["params"]} == {2, 4}
    assert len(spared["params"]) == 4
    assert others["params"] == [of_loss]


def test_what_asks_for_no_gradient_is_not_trained() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    groups = adamw(network, [], learning_rate=0.1, weight_decay=0.3).param_groups
    assert sum(len(group["params"]) for group in groups) == 2


def test_shares_of_the_rate_hold_at_every_rate_and_decay_is_spared_as_ever() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    fracs = {"0.weight": 0.01, "0.bias": 0.01, "1.weight": 0.1}
    optimizer = adamw(network, [], learning_rate=0.5, weight_decay=0.3, rate_fracs=fracs)
    assert optimizer.param_groups[0]["lr"] == 0.5
    for rate in (0.5, 0.2):
        rates = {id(tensor): group["lr"] for group in optimizer.param_groups for tensor in group["params"]}
        for name, parameter in network.named_parameters():
            assert rates[id(parameter)] == pytest.approx(rate * fracs.get(name, 1.0))
        set_rate(optimizer, 0.2)
    decays = {
        group["weight_decay"] for group in optimizer.param_groups for tensor in group["params"] if tensor.ndim > 1
    }
    assert decays == {0.3}


def test_the_first_step_of_adam_is_as_long_as_the_share_of_the_rate() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    before = {name: tensor.detach().clone() for name, tensor in network.named_parameters()}
    optimizer = adamw(network, [], learning_rate=0.1, weight_decay=0.0, rate_fracs={"0.weight": 0.01, "0.bias": 0.01})
    network(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    for name, expected in {"0.weight": 0.001, "0.bias": 0.001, "1.weight": 0.1, "1.bias": 0.1}.items():
        steps = (network.get_parameter(name).detach() - before[name]).abs()
        torch.testing.assert_close(steps, torch.full_like(steps, expected), rtol=1e-2, atol=0)


def test_a_rate_holds_for_every_parameter() -> None:
    optimizer = adamw(nn.Linear(2, 2), [nn.Parameter(torch.ones(1))], learning_rate=0.1, weight_decay=0.0)
    set_rate(optimizer, 0.02)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.02] * 3)
