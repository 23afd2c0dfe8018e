"""The arithmetic of a step: Fabric's against PyTorch's own, and that a head does without Fabric."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric.plugins.precision import Precision
from torch import nn

from counterpoise.engine.precision import MIXED, Float32, mixed

CPU = torch.device("cpu")
A_HEAD = """
import sys
sys.path.insert(0, {folder!r})
import test_process_group
found = test_process_group.trained("linear")
assert len(found["history"]) == 3
print("loaded" if "lightning_fabric" in sys.modules else "not loaded")
"""


def stepped(precision: Float32 | Precision) -> nn.Linear:
    torch.manual_seed(0)
    network = nn.Linear(4, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        with precision.forward_context():
            logits = network(torch.arange(12.0).reshape(3, 4))
        precision.backward(logits.float().square().mean(), None)
        precision.optimizer_step(optimizer)
    return network


def by_hand(dtype: torch.dtype) -> nn.Linear:
    torch.manual_seed(0)
    network = nn.Linear(4, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=dtype == torch.float16)
    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            logits = network(torch.arange(12.0).reshape(3, 4))
        scaler.scale(logits.float().square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
    return network


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_steps_are_those_of_pytorchs_own_autocast_and_scaler(dtype: torch.dtype) -> None:
    assert torch.equal(stepped(mixed(CPU, dtype)).weight, by_hand(dtype).weight)


def test_float32_without_fabric_is_float32_with_it() -> None:
    assert torch.equal(stepped(Float32()).weight, stepped(mixed(CPU, torch.float32)).weight)


def test_float16_alone_has_a_scale_to_go_on_with() -> None:
    states = {dtype: mixed(CPU, dtype).state_dict() for dtype in (torch.float32, *MIXED)}
    assert [dtype for dtype, state in states.items() if state] == [torch.float16]
    resumed = mixed(CPU, torch.float16)
    resumed.load_state_dict(states[torch.float16] | {"scale": 8.0})
    assert resumed.state_dict()["scale"] == 8.0
    Float32().load_state_dict(Float32().state_dict())


def test_a_step_whose_gradients_overflow_in_float16_is_left_out() -> None:
    network, precision = nn.Linear(1, 1), mixed(CPU, torch.float16)
    before = network.weight.detach().clone()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    precision.backward(network(torch.ones(1, 1)).sum() * torch.inf, None)
    precision.optimizer_step(optimizer)
    assert torch.equal(network.weight, before)


def test_a_head_on_features_in_one_process_trains_without_loading_fabric() -> None:
    """Its import costs a second beyond PyTorch's."""
    code = A_HEAD.format(folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.strip() == "not loaded", done.stderr
