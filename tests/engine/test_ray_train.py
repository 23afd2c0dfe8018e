"""Training on a cluster, without one: which processes there are, and what becomes of what they say.

`tests/test_cluster.py` trains on a real one.
"""

import errno
import pickle
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from counterpoise.config import InputError
from counterpoise.engine import ray_cluster, ray_train, ray_worker, spread
from counterpoise.engine.ray_train import Group
from counterpoise.engine.ray_worker import Needs
from counterpoise.engine.work import ENGINE
from counterpoise.storage import ArtifactError


class WorkerGroupStartupTimeoutError(Exception):
    """As Ray Train names it."""


class WorkerGroupStartupFailedError(Exception):
    """As Ray Train names it."""


def say(text: str) -> None:
    print(text)
    print("progress", file=sys.stderr)


def fail(error: Exception) -> None:
    raise error


def write(path: str) -> None:
    with Path(path).open("w") as file:
        file.write("a" * 100_000)


@pytest.mark.parametrize(
    ("cpus", "most", "expected"),
    [
        ([2], 8, Group(1, Needs(2, 0))),
        ([6, 0, 8], 8, Group(2, Needs(6, 0))),
        ([64, 2], 8, Group(1, Needs(64, 0))),
        ([8, 8, 8], 2, Group(2, Needs(8, 0))),
        ([8, 8], 1, Group(1, Needs(8, 0))),
        ([1.0, 1.0], 8, Group(2, Needs(1, 0))),
    ],
)
def test_each_node_is_a_process_unless_the_others_would_wait_for_it(
    cpus: list[float], most: int, expected: Group
) -> None:
    assert ray_train.one_per_node(cpus, most) == expected


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_this_process_trains_where_torchrun_started_it_and_without_an_engine(
    engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ENGINE, engine)
    if engine == "ray":
        monkeypatch.setenv("RANK", "0")
    spread.together(tmp_path, partial(say, "trained"), most=8, on_gpu=True)
    assert capsys.readouterr().out == "trained\n"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The CPUs and GPUs of every node, of which the first is this machine."""
    nodes = [(4.0, 0.0)]
    monkeypatch.setattr(ray_cluster, "connect", lambda: None)
    monkeypatch.setattr(ray_cluster, "nodes", lambda: nodes)
    monkeypatch.setattr(ray_cluster, "is_here", lambda needs: nodes[0][0] >= needs.cpus and nodes[0][1] >= needs.gpus)
    return nodes


def test_a_cluster_that_gains_nothing_leaves_the_training_to_this_process(
    cluster: list[tuple[float, float]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.append((1.0, 0.0))
    ray_train.together(tmp_path, partial(say, "trained"), most=8, on_gpu=True)
    assert capsys.readouterr().out == "trained\n"


def test_processes_are_chosen_anew_after_one_was_lost(
    cluster: list[tuple[float, float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster += [(8.0, 2.0), (8.0, 2.0)]
    asked = []

    def is_done(root: Path, function: object, group: Group, nodes: int) -> bool:
        asked.append((group, nodes))
        cluster.pop()
        return len(asked) == 2

    monkeypatch.setattr(ray_train, "_is_done", is_done)
    ray_train.together(tmp_path, partial(say, "trained"), most=8, on_gpu=True)
    assert asked == [(Group(4, Needs(4, 1)), 3), (Group(2, Needs(4, 1)), 2)]


def test_processes_that_are_always_lost_end_in_words(
    cluster: list[tuple[float, float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.append((4.0, 0.0))
    monkeypatch.setattr(ray_train, "_is_done", lambda *_: False)
    with pytest.raises(InputError, match=r"were lost 6 times, .* run it again, and it goes on from its last epoch"):
        ray_train.together(tmp_path, partial(say, "trained"), most=8, on_gpu=True)


@pytest.mark.parametrize("error", [InputError("in words"), ArtifactError("in words"), OSError(errno.ENOSPC, "full")])
def test_what_a_process_says_to_the_user_is_not_tried_again(error: Exception) -> None:
    broken = RuntimeError("[/pytorch/gloo/transport/tcp/pair.cc:561] Connection closed by peer")
    with pytest.raises(type(error), match=str(error).replace("[", r"\[")):
        ray_train._was_killed([broken, error])


def test_a_missing_package_is_named() -> None:
    with pytest.raises(InputError, match=r"node 10.0.0.2 cannot import .*; install the same packages on all nodes"):
        ray_train._was_killed([ImportError("node 10.0.0.2 cannot import what this machine can: no timm")])


def test_a_bug_is_told_from_a_loss() -> None:
    died = type("ActorDiedError", (Exception,), {"__module__": "ray.exceptions"})()
    closed = RuntimeError("[/pytorch/gloo/transport/tcp/pair.cc:561] Connection closed by peer")
    assert ray_train._was_killed([ValueError("a bug"), died])
    assert ray_train._was_killed([closed])
    assert not ray_train._was_killed([ValueError("a bug"), RuntimeError("size mismatch")])


def test_no_room_is_said_unless_a_node_was_lost() -> None:
    waited = WorkerGroupStartupTimeoutError()
    with pytest.raises(InputError, match="had no room for 2 processes with 4 CPUs and a GPU each within 30 seconds"):
        ray_train._may_start(waited, Group(2, Needs(4, 1)), is_same=True)
    assert ray_train._may_start(waited, Group(2, Needs(4, 1)), is_same=False)
    assert ray_train._may_start(WorkerGroupStartupFailedError(), Group(2, Needs(4, 0)), is_same=True)
    assert not ray_train._may_start(ValueError("a bug"), Group(2, Needs(4, 0)), is_same=True)


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ray_worker.Setup:
    """A process of two on a node."""
    monkeypatch.chdir(tmp_path)
    own = {"RANK": "0", "LOCAL_WORLD_SIZE": "2", "COUNTERPOISE_CPUS": "", "CUDA_VISIBLE_DEVICES": ""}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ray_worker, "_functions", {})
    (tmp_path / "token").touch()
    function = ("training", pickle.dumps(partial(say, "trained")))
    return ray_worker.Setup(function, str(tmp_path), "token", "", "main", Needs(3, 0))


@pytest.mark.parametrize("rank", ["0", "1"])
def test_the_first_process_alone_shows_its_progress(
    rank: str, setup: ray_worker.Setup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RANK", rank)
    assert ray_train.take_part(pickle.dumps(setup), "10.0.0.2") == "trained\n"
    assert (tmp_path / "token").read_text() == ("progress\n" if rank == "0" else "")


def test_a_process_counts_the_cpus_of_all_on_its_node(setup: ray_worker.Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    from counterpoise.dataset import inputs

    ray_train.take_part(pickle.dumps(setup), "10.0.0.2")
    assert inputs.workers_count() == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_a_full_disk_names_the_node(setup: ray_worker.Setup) -> None:
    full = setup.__class__(**vars(setup) | {"function": ("f", pickle.dumps(partial(write, "/dev/full")))})
    with pytest.raises(OSError, match=r"on node 10\.0\.0\.2") as found:
        ray_train.take_part(pickle.dumps(full), "10.0.0.2")
    assert found.value.errno == errno.ENOSPC


def test_what_is_printed_meanwhile_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = tmp_path / "token"
    token.touch()

    def fit() -> int:
        time.sleep(0.6)
        return token.write_text("epoch 1 ä", encoding="utf-8")

    assert ray_train._watched(fit, token) == 9
    assert capsys.readouterr().err == "epoch 1 ä"
    with pytest.raises(InputError, match="in words"):
        ray_train._watched(partial(fail, InputError("in words")), token)
