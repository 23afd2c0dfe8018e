"""`counterpoise check`: faults of data, and what a run takes."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.commands.test_init import RATES
from tests.planning import folders

from counterpoise import __main__ as cli
from counterpoise import config, demos
from counterpoise.planning import estimates, reading


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimates, "time_network", lambda content, rehearsed: RATES)
    folders.class_folders(tmp_path / "data/raw/mine")
    content = reading.baseline()
    content["ingest"]["source"] = "folder"
    return content


def write(content: dict[str, object], **changes: object) -> None:
    for dotted, value in changes.items():
        owner = content
        *above, key = dotted.split("__")
        for part in above:
            owner = owner[part]  # type: ignore[assignment]
        owner[key] = value
    Path(config.PATH).write_text(yaml.safe_dump(content))


def test_it_lists_classes_by_split_and_what_each_stage_takes(
    content: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    write(content)
    cli.main(["check"])
    out = capsys.readouterr().out
    assert "parameters: no faults\ndata: 40 images of data/raw/mine; 40 were decoded" in out
    assert "class   train     val    test\nusual      18       6       6\nrare        6       2       2" in out
    assert "40 tiles and views, " in out
    assert "each with onnxruntime on cpu" in out
    assert "`dvc repro` from nothing: about " in out
    assert "rates were timed just now" in out
    assert "WARNING: fewer than 10 test images: 'rare' 2" in out


def test_a_demo_set_that_is_not_there_yet_is_made_aside_and_its_time_counts(
    content: dict[str, object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(name: str, folder: Path, params: dict[str, object]) -> None:
        time.sleep(1.5)
        folders.class_folders(folder)

    monkeypatch.setattr(demos, "write", made)
    write(content, demo__name="elpv", ingest__root=demos.FOLDER)
    cli.main(["check"])
    assert "\ndemo          2 s" in capsys.readouterr().out  # 1.5 s, and 0.15 starts of 2 s
    assert not Path(demos.FOLDER).exists()


def test_without_timing_nothing_is_estimated(content: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    write(content)
    cli.main(["check", "--no-timing"])
    assert "dvc repro" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"loss": "focl"}, "did you mean 'focal'"),
        (
            {"train__solver": "adamw", "model__head": "cosine", "loss": "seesaw", "weighting__scheme": "balanced"},
            "loss",
        ),
        ({"ingest__root": "data/raw/none"}, "there is no such folder"),
        ({"ingest__exclude": ["rare"]}, "expected at least two classes"),
        ({"evaluate__positive": "rear"}, "did you mean 'rare'"),
        ({"decide__target": {"rare": 0.5, "usual": 0.6}}, "decide.target"),
        ({"oversample__strategy": "ml_ros"}, "oversample.strategy"),
    ],
)
def test_faults_of_parameters_and_data_give_exit_code_1(
    changes: dict[str, object], part: str, content: dict[str, object]
) -> None:
    write(content, **changes)
    with pytest.raises(SystemExit, match=part) as raised:
        cli.main(["check"])
    assert isinstance(raised.value.code, str)  # which Python prints, with exit code 1


def test_classes_too_small_for_their_split_stop_it(content: dict[str, object], tmp_path: Path) -> None:
    for path in sorted((tmp_path / "data/raw/mine/rare").iterdir())[1:]:
        path.unlink()
    write(content, evaluate__positive="rare")
    with pytest.raises(SystemExit, match=r"evaluate\.positive is 'rare', but val has no image of it"):
        cli.main(["check"])


def test_shares_that_contradict_each_other_are_told(
    content: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    write(content, decide__target={"rare": 0.2, "usual": 0.8}, evaluate__at_prevalence=[0.01])
    cli.main(["check"])
    assert "decide.target says that 'rare' is 0.2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rates", "part"),
    [
        ({"memory_bytes": 2**50}, "GiB of memory, and this machine has"),
        ({"device": "cuda", "device_bytes": 2**40, "device_free_bytes": 2**35}, "the memory of the device"),
        ({"width": 2**36}, "GiB of disk, and .* are free"),
    ],
)
def test_what_this_machine_has_not_is_a_fault(
    rates: dict[str, Any], part: str, content: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "time_network", lambda content, rehearsed: replace(RATES, **rates))
    write(content)
    with pytest.raises(SystemExit, match=part):
        cli.main(["check"])
