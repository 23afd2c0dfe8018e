"""The loop without gradients."""

import pytest
import torch
from torch import Tensor, nn

from counterpoise.networks import devices
from counterpoise.networks.inference import outputs

CPU = devices.pick("cpu", "float32")


class Noting(nn.Module):
    """Double the inputs, and note how."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[tuple[bool, bool, torch.dtype]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        product = inputs @ (2 * torch.eye(inputs.shape[1]))
        self.modes.append((self.training, torch.is_grad_enabled(), product.dtype))
        return product


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_outputs_are_float32_in_the_order_of_the_batches(precision: str) -> None:
    network, inputs = Noting().train(), torch.arange(14.0).reshape(7, 2)
    found = outputs(network, torch.split(inputs, [3, 3, 1]), devices.pick("cpu", precision))
    assert torch.equal(found, 2 * inputs)
    assert found.dtype == torch.float32
    assert network.modes == [(False, False, getattr(torch, precision))] * 3


def test_no_batch_gives_nothing() -> None:
    assert outputs(Noting(), [], CPU).numel() == 0
