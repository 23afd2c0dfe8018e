"""The moving average of weights, by hand."""

import torch
from torch import nn

from counterpoise.training.averaging import Average


def stepped(decay: float, values: list[float]) -> tuple[nn.Module, Average]:
    network = nn.BatchNorm1d(1)
    average = Average(network, decay)
    for value in values:
        for tensor in (network.weight, network.running_mean):
            assert tensor is not None
            tensor.data.fill_(value)
        average.update(network)
    return network, average


def test_the_average_by_hand_holds_for_a_while_and_buffers_have_it_too() -> None:
    network, average = stepped(0.75, [1.0, 2.0, 6.0])
    with average.applied(network):
        state = {name: value.clone() for name, value in network.state_dict().items()}
    assert state["weight"].item() == (1 * 0.75 + 2 * 0.25) * 0.75 + 6 * 0.25
    assert state["running_mean"].item() == state["weight"].item()
    assert network.state_dict()["weight"].item() == 6


def test_without_decay_nothing_is_averaged_or_stored() -> None:
    network, average = stepped(0.0, [1.0, 2.0])
    with average.applied(network):
        assert network.state_dict()["weight"].item() == 2
    assert average.state_dict() == {}


def test_a_stored_average_goes_on() -> None:
    _, whole = stepped(0.5, [1.0, 2.0, 3.0])
    network, first = stepped(0.5, [1.0, 2.0])
    again = Average(network, 0.5)
    again.load_state_dict(first.state_dict())
    for tensor in (network.weight, network.running_mean):
        assert isinstance(tensor, torch.Tensor)
        tensor.data.fill_(3.0)
    again.update(network)
    assert all(value.equal(whole.state_dict()[name]) for name, value in again.state_dict().items())
