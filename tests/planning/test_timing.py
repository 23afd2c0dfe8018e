"""What the timing of a network finds, with a clock that stands for the network, and with a small one."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from counterpoise import config
from counterpoise.artifacts import prior
from counterpoise.networks.devices import Compute
from counterpoise.planning import reading, timing

CPU = Compute(torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(("each_s", "sizes"), [(0.2, [2, 2, 4, 4, 4]), (0.01, [2, 2, 8, 32, 32, 32]), (9.0, [2, 2, 4])])
def test_the_first_run_is_not_timed_and_a_batch_that_would_take_long_is_extrapolated(
    each_s: float, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, ran = [0.0], list[int]()

    def run(size: int) -> None:
        clock[0] += each_s * size + (0.0 if ran else 100.0)
        ran.append(size)

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(timing, "_memory", lambda: 1000 + 10 * max(ran, default=0))
    seconds, memory = timing._timed(run, 32, CPU, least=2)
    assert seconds == pytest.approx(each_s)
    assert memory == 1000 + 10 * 32
    assert ran == sizes


@pytest.mark.parametrize("freeze", ["backbone", "none"])
def test_a_small_network_is_timed(freeze: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = reading.baseline()
    asked["model"] |= {"freeze": freeze, "backbone": "test_resnet", "weights": "none", "input_px": 32}
    asked["train"] |= {"solver": "adamw", "batch_size": 4}
    (tmp_path / config.PATH).write_text(json.dumps(asked))
    prior.write(tmp_path, prior.Prior("multiclass", ("a", "b"), (5, 5), (3, 3), (3, 3), 10, 6, 6, ()))
    found = timing.main(tmp_path, 1)
    assert 0 < found.forward_s < 1
    assert (found.step_s > 0) == (freeze == "none")
    assert (found.width > 0) == (freeze == "backbone")
    assert found.memory_bytes > 2**26
    assert found.runtime == ("onnxruntime" if freeze == "backbone" else "torch")
    assert 0 < found.weights_bytes < 2**22
