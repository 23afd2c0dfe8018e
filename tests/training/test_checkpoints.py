"""A checkpoint is found again only by the training that made it, and leaves nothing behind."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from counterpoise.engine import process_group, unfinished
from counterpoise.engine.unfinished import FOLDER
from counterpoise.training import checkpoints
from counterpoise.training.checkpoints import Checkpoint


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "data" / "features"
    folder.mkdir(parents=True)
    (folder / "rows.csv").write_text("tile_id\n")
    (tmp_path / "data" / "draws.csv").write_text("tile_id,view\na,0\n")
    return [tmp_path / "data" / "draws.csv", folder]


def test_the_same_parameters_and_inputs_find_the_same_state(tmp_path: Path, inputs: list[Path]) -> None:
    parameters = {"train": {"epochs": 3}, "loss": "focal"}
    assert Checkpoint(tmp_path, parameters, inputs).path == Checkpoint(tmp_path, parameters, inputs).path


def test_another_parameter_finds_nothing(tmp_path: Path, inputs: list[Path]) -> None:
    Checkpoint(tmp_path, {"epochs": 3}, inputs).save({"epoch": 1})
    assert Checkpoint(tmp_path, {"epochs": 4}, inputs).load() is None
    assert Checkpoint(tmp_path, {"epochs": 3}, inputs).load() == {"epoch": 1}


@pytest.mark.parametrize("file", ["data/draws.csv", "data/features/rows.csv"])
def test_a_rewritten_input_finds_nothing_though_its_size_stays(file: str, tmp_path: Path, inputs: list[Path]) -> None:
    Checkpoint(tmp_path, {}, inputs).save({"epoch": 1})
    path = tmp_path / file
    status = path.stat()
    path.write_text(path.read_text().replace("i", "j"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert Checkpoint(tmp_path, {}, inputs).load() is None


def test_a_new_file_in_an_input_folder_finds_nothing(tmp_path: Path, inputs: list[Path]) -> None:
    before = Checkpoint(tmp_path, {}, inputs).path
    (tmp_path / "data" / "features" / "features.npy").write_bytes(b"1")
    assert Checkpoint(tmp_path, {}, inputs).path != before


def test_another_number_of_processes_finds_the_same_state(
    tmp_path: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Checkpoint(tmp_path, {}, inputs).path
    monkeypatch.setattr(process_group, "count", lambda: 2)
    assert Checkpoint(tmp_path, {}, inputs).path == alone


def test_other_code_finds_nothing(tmp_path: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code"
    (code / "losses").mkdir(parents=True)
    monkeypatch.setattr(unfinished, "CODE", code)
    paths = []
    for text in ("gamma = 1", "gamma = 2", "gamma = 1"):
        (code / "losses" / "focal.py").write_text(text)
        paths.append(Checkpoint(tmp_path, {}, inputs).path)
    assert paths[0] == paths[2] != paths[1]


def test_the_key_does_not_depend_on_where_the_repository_lies(tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        (root / "draws.csv").write_text("a")
        os.utime(root / "draws.csv", ns=(1, 1))
        paths.append(Checkpoint(root, {}, [root / "draws.csv"]).path.relative_to(root))
    assert paths[0] == paths[1]


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path, inputs: list[Path]) -> None:
    checkpoint = Checkpoint(tmp_path, {}, inputs)
    assert checkpoint.load() is None
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": [{"val/loss": 0.5}],
        "best": {},
        "best_epoch": -1,
        "best_score": -float("inf"),
    }
    checkpoint.save(state)
    loaded = checkpoint.load()
    assert loaded is not None
    assert torch.equal(loaded["network"]["weight"], network.weight)
    assert torch.equal(loaded["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    assert {name: loaded[name] for name in ("history", "best", "best_epoch", "best_score")} == {
        name: state[name] for name in ("history", "best", "best_epoch", "best_score")
    }


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
    "a flipped bit": lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:],
    "foreign": lambda data: b"another file altogether",
    "without checksum": lambda data: data[: -checkpoints.SUM_BYTES],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_state_is_set_aside_with_a_warning_and_training_begins_anew(
    damage: Callable[[bytes], bytes], tmp_path: Path, inputs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint(tmp_path, {}, inputs)
    checkpoint.save({"weights": torch.arange(1000.0)})
    damaged = damage(checkpoint.path.read_bytes())
    checkpoint.path.write_bytes(damaged)
    assert checkpoint.load() is None
    assert f"WARNING: {checkpoint.path} is damaged" in capsys.readouterr().err
    assert checkpoint.path.with_name("damaged.pt").read_bytes() == damaged
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 1})
    assert checkpoint.load() == {"epoch": 1}
    assert not capsys.readouterr().err
    checkpoint.remove()
    assert not (tmp_path / FOLDER).exists()


def test_a_later_state_replaces_the_earlier_one(tmp_path: Path, inputs: list[Path]) -> None:
    checkpoint = Checkpoint(tmp_path, {}, inputs)
    checkpoint.save({"epoch": 1})
    checkpoint.save({"epoch": 2})
    assert checkpoint.load() == {"epoch": 2}
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["state.pt"]


def test_removing_leaves_no_folder_and_may_be_done_twice(tmp_path: Path, inputs: list[Path]) -> None:
    checkpoint = Checkpoint(tmp_path, {}, inputs)
    checkpoint.remove()
    checkpoint.save({"epoch": 1})
    checkpoint.remove()
    checkpoint.remove()
    assert not (tmp_path / FOLDER).exists()


def test_removing_spares_the_state_of_another_training(tmp_path: Path, inputs: list[Path]) -> None:
    one, other = Checkpoint(tmp_path, {"seed": 0}, inputs), Checkpoint(tmp_path, {"seed": 1}, inputs)
    one.save({"epoch": 1})
    other.save({"epoch": 2})
    one.remove()
    assert one.load() is None
    assert other.load() == {"epoch": 2}


def test_a_failed_save_leaves_the_last_state(tmp_path: Path, inputs: list[Path]) -> None:
    checkpoint = Checkpoint(tmp_path, {}, inputs)
    checkpoint.save({"epoch": 1})
    with pytest.raises(AttributeError):
        checkpoint.save({"epoch": lambda: 2})
    assert checkpoint.load() == {"epoch": 1}


def test_what_a_killed_writer_left_is_swept_by_the_next_save(tmp_path: Path, inputs: list[Path]) -> None:
    checkpoint = Checkpoint(tmp_path, {}, inputs)
    checkpoint.save({"epoch": 1})
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leftover = checkpoint.path.with_name(f".state.pt.{dead.pid}.0badcafe.tmp")
    leftover.write_bytes(b"half a state")
    assert checkpoint.load() == {"epoch": 1}
    checkpoint.save({"epoch": 2})
    assert not leftover.exists()
    assert checkpoint.load() == {"epoch": 2}
