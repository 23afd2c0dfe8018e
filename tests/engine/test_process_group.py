"""Two processes against one, on the CPU by gloo: the same curve, each example once, and no process left waiting."""

import copy
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests import processes
from torch import Tensor, nn

from counterpoise import config
from counterpoise.dataset import inputs
from counterpoise.engine import process_group
from counterpoise.networks import devices
from counterpoise.stages import train
from counterpoise.training import loop, members, objective
from counterpoise.training.curriculum import Curriculum
from counterpoise.training.examples import Examples

ROOT = Path(__file__).parents[2]
CPU = devices.pick("cpu", "float32")
CASES: dict[str, dict[str, Any]] = {
    "without batch norm": {"head": "cosine"},
    "in parts": {"head": "cosine", "accumulate": 2},
    "with batch norm": {"head": "linear"},
    "batches of one": {"head": "narrow", "count": 3, "batch_size": 1},
    "too small for batch norm": {"head": "linear", "batch_size": 3},
    "ranks": {"head": "cosine", "ranks": True},
}


class Noted(inputs.FeatureInputs):
    """Features that note who was asked for."""

    def batches(self, order: Sequence[inputs.Indices], chance: inputs.Chance | None = None) -> Iterator[Tensor]:
        self.__dict__.setdefault("seen", []).append([numbers.tolist() for numbers in order])
        return super().batches(order, chance)


def a_params(**changes: Any) -> train.Params:
    """Take the parameters as they ship, for few epochs without dropout; changes are those of section `train`."""
    content: dict[str, Any] = copy.deepcopy(config.load(ROOT))
    content["model"] |= {"device": "cpu", "dropout": 0.0, "head": changes.pop("head", "cosine")}
    content["train"] |= {"epochs": 3, "batch_size": 16, "learning_rate": 0.02} | changes
    return config.validate(train.Params, {name: content[name] for name in train.Params.model_fields})


def without_batch_norm(head: nn.Module) -> nn.Module:
    """Leave a head its last layer alone."""
    return head[-1]  # type: ignore[index,no-any-return]


def trained(
    head: str = "cosine", accumulate: int = 1, count: int = 45, batch_size: int = 16, *, ranks: bool = False
) -> dict[str, Any]:
    """Train as one of however many processes there are, and tell what happened."""
    params = a_params(head="linear" if head == "narrow" else head, accumulate=accumulate, batch_size=batch_size)
    rng = np.random.default_rng(0)
    targets = torch.arange(count) % 3
    values = (rng.normal(size=(count, 16)) + 2 * np.eye(16)[targets]).astype(np.float32)
    shown = Noted(values, np.arange(count))
    val = Examples(inputs.FeatureInputs(values, np.arange(count)), targets)
    goal = objective.Objective(nn.CrossEntropyLoss(reduction="none"), torch.ones(3), "multiclass", ranks)
    network = members.build(params.model, params.train.seed, 3, 16)
    if head in ("narrow", "cosine"):
        network = without_batch_norm(network)
    gradients: list[list[float]] = []
    plain = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, closure: None = None) -> None:
        if not gradients:
            gradients.extend(p.grad.ravel().tolist() for p in network.parameters() if p.grad is not None)
        plain(self, closure)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.optim.AdamW, "step", step)
            fitted = loop.fit(network, Curriculum(Examples(shown, targets), goal), val, params.train, CPU)
    except config.InputError as error:
        return {"error": str(error)}
    weights = {name: tensor.tolist() for name, tensor in fitted.weights.items()}
    seen = shown.__dict__.get("seen", [])
    told = {"history": fitted.history, "best": fitted.best_epoch, "weights": weights}
    return told | {"seen": seen, "gradients": gradients}


def take_part(folder: Path) -> None:
    """Be one of the processes: train every case, one after the other."""
    torch.set_num_threads(1)
    with process_group.launch(torch.device("cpu")):
        found = {name: trained(**case) for name, case in CASES.items()}
        (folder / f"{process_group.rank()}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Start two processes as `torchrun` does, and return what each tells of every case."""
    folder = tmp_path_factory.mktemp("told")
    done = processes.start(__file__, str(folder), folder=ROOT)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize(
    ("case", "tolerance"),
    [("without batch norm", 1e-5), ("in parts", 1e-5), ("with batch norm", 0.1), ("batches of one", 1e-5)],
)
def test_two_processes_have_the_curve_of_one(case: str, tolerance: float, both: list[dict[str, Any]]) -> None:
    """Batch norm looks at each process's own examples, on the CPU; batches of one leave the second process none."""
    first, second = (found[case] for found in both)
    assert first["history"] == second["history"]
    assert first["weights"] == second["weights"]
    alone = trained(**(CASES[case] | {"accumulate": 1}))
    if tolerance < 0.1:  # of the first step, before AdamW has divided anything; shares are uneven, or one is empty
        assert first["gradients"] == second["gradients"]
        assert sum(abs(value) for gradient in alone["gradients"] for value in gradient) > 0.1
        for found, wanted in zip(first["gradients"], alone["gradients"], strict=True):
            assert found == pytest.approx(wanted, abs=1e-6)
    assert first["best"] == second["best"] == alone["best"]
    for figures, expected in zip(first["history"], alone["history"], strict=True):
        assert figures == pytest.approx(expected, rel=tolerance)


def test_two_processes_see_each_example_once_an_epoch_in_the_order_of_one(both: list[dict[str, Any]]) -> None:
    case = "without batch norm"
    alone = trained(**CASES[case])["seen"]
    first, second = (found[case]["seen"] for found in both)
    assert len(alone) == len(first) == len(second) == 3
    for epoch, order in enumerate(alone):
        assert sorted(number for batch in order for number in batch) == list(range(45))
        assert first[epoch] == [batch[0::2] for batch in order]
        assert second[epoch] == [batch[1::2] for batch in order]


def test_a_process_without_an_example_waits_for_nothing(both: list[dict[str, Any]]) -> None:
    first, second = (found["batches of one"]["seen"] for found in both)
    assert [len(order) for order in first] == [3, 3, 3]
    assert second == []


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("ranks", "but each of 2 processes sees only a part; train in one process"),
        ("too small for batch norm", "the smallest batch has 3 examples"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(case: str, words: str, both: list[dict[str, Any]]) -> None:
    for found in both:
        assert words in found[case]["error"]
    assert "history" in trained(**CASES[case])


def test_a_batch_of_one_is_refused_where_batch_norm_would_stop() -> None:
    told = trained("linear", count=5, batch_size=2)["error"]
    assert "the smallest batch has 1 example, but batch norm needs at least 2 per process" in told
    assert "processes" not in told
    assert "history" in trained("linear", count=4, batch_size=2)
    assert "history" in trained("narrow", count=3, batch_size=1)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("cuda", r"torchrun started 3 processes on a machine with 2 GPUs, .* needs a GPU; lower --nproc-per-node"),
        ("mps", r"model\.device is 'mps', which supports only one training process; run the stage without torchrun"),
    ],
)
def test_processes_without_a_device_of_their_own_are_refused(
    device: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(config.InputError, match=words), process_group.launch(torch.device(device)):
        pass


@pytest.mark.parametrize("length", [0, 1, 5, 6])
def test_processes_share_items_in_order_without_rest(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_group, "count", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(process_group, "rank", lambda rank=rank: rank)
        shares.append(process_group.shard(range(length)))
    assert [item for share in shares for item in share] == list(range(length))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert inputs.workers_count() == 3


def test_batch_norm_is_synchronised_on_cuda_with_its_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_group, "count", lambda: 2)
    network = members.build(a_params(head="linear").model, a_params(head="linear").train.seed, 3, None)
    names = list(network.state_dict())
    assert process_group.synchronised(network, torch.device("cpu")) is network
    found = process_group.synchronised(network, torch.device("cuda"))
    assert list(found.state_dict()) == names
    kinds = [type(module).__name__ for module in found.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert set(kinds) == {"SyncBatchNorm", "SyncBatchNormAct"}


@pytest.mark.parametrize("accumulate", [2, 4])
def test_a_batch_in_parts_takes_the_step_of_the_whole(accumulate: int) -> None:
    whole, parts = trained(), trained(accumulate=accumulate)
    assert [len(order) for order in parts["seen"]] == [3 * accumulate] * 3
    for figures, expected in zip(parts["history"], whole["history"], strict=True):
        assert figures == pytest.approx(expected, rel=1e-5)


def test_batch_norm_sees_a_part_at_a_time() -> None:
    whole, parts = trained("linear")["weights"], trained("linear", 4)["weights"]
    assert parts["0.running_mean"] != pytest.approx(whole["0.running_mean"], rel=1e-3)


def test_gradients_of_parts_add_up_to_that_of_the_batch() -> None:
    """Of the first step, before AdamW has divided anything."""
    whole, parts = (trained(accumulate=accumulate)["gradients"] for accumulate in (1, 3))
    assert sum(abs(value) for gradient in whole for value in gradient) > 0.1
    for one, other in zip(whole, parts, strict=True):
        assert other == pytest.approx(one, abs=1e-6)


if __name__ == "__main__":
    processes.fork(lambda: take_part(Path(sys.argv[1])))
