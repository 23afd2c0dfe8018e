"""`counterpoise init`: what it says, and that nothing is lost; `tests/planning/` looks at what it finds."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.planning import folders

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.planning import estimates
from counterpoise.planning.timing import Rates
from counterpoise.stages import check

RATES = Rates(2.0, 5.0, 0.01, 0.05, 2**30, 2**29, "cpu", 0, 0, "onnxruntime", 1280, 2**24)


@pytest.fixture(autouse=True)
def at_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimates, "time_network", lambda content, rehearsed: RATES)
    folders.class_folders(tmp_path / "data/raw/mine")


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def test_it_writes_parameters_that_pass_and_says_what_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["init", "data/raw/mine"])
    out = capsys.readouterr().out
    assert "classes: 2 classes by images: usual 30, rare 10" in out
    assert "please check:\n  - 'rare' (train 6, val 2, test 2) is taken for the class that matters" in out
    assert re.search(r"estimated: about \d+ seconds \(\d+ to \d+\) on this machine", out)
    assert out.endswith("wrote params.yaml; next: `counterpoise check`, then `dvc repro`\n")
    content = config.load(Path())
    assert content["ingest"]["root"] == "data/raw/mine"
    assert check.problems(content) == []


def test_a_file_that_git_keeps_is_replaced_and_an_edited_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    Path(config.PATH).write_text("seed: 1\n")
    git("init")
    git("add", config.PATH)
    git("commit", "-m", "first")
    cli.main(["init", "data/raw/mine"])
    written = Path(config.PATH).read_text()
    with pytest.raises(SystemExit, match="has changes that are in no commit, so it stays unchanged"):
        cli.main(["init", "data/raw/mine", "--positive", "usual"])
    assert Path(config.PATH).read_text() == written
    assert config.parse(Path("params.init.yaml").read_text())["evaluate"]["positive"] == "usual"
    cli.main(["init", "data/raw/mine", "--positive", "usual", "--force"])
    assert config.load(Path())["evaluate"]["positive"] == "usual"


def test_without_git_an_existing_file_is_left_alone() -> None:
    Path(config.PATH).write_text("seed: 1\n")
    with pytest.raises(SystemExit, match="is in no commit"):
        cli.main(["init", "data/raw/mine"])
    assert Path(config.PATH).read_text() == "seed: 1\n"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["/tmp"], "outside the repository .*\n  ln -s /tmp data/raw/tmp\n  counterpoise init data/raw/tmp"),
        (["../elsewhere"], "outside the repository"),
        (["."], "is the whole repository"),
        (["data/raw/none"], "there is no such folder"),
        (
            ["data/demo"],
            "demo.name is 'none', so ingest.root 'data/demo' is empty; set it to the folder of your images",
        ),
        (
            ["data/raw/mine", "--out", "here/p.yaml"],
            r"--out here/p\.yaml: cannot be written in .*here \(Not a directory\)",
        ),
        (["data/raw/mine", "--out", "data"], "data is a folder; name a file"),
        (["data/raw/mine", "--source", "coco"], "cannot be read as 'coco'"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(arguments: list[str], part: str) -> None:
    shutil.copytree("data/raw/mine", "data/demo")
    Path("here").touch()
    with pytest.raises(SystemExit, match=part):
        cli.main(["init", *arguments])
    assert not list(Path().glob("*.yaml"))


def test_a_link_inside_the_repository_may_lead_outside(tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    folders.class_folders(elsewhere)
    Path("data/raw/linked").symlink_to(elsewhere)
    cli.main(["init", "data/raw/linked"])
    assert config.load(Path())["ingest"]["root"] == "data/raw/linked"


def test_a_network_that_cannot_be_timed_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(content: object, rehearsed: object) -> Rates:
        raise estimates.NotTimedError("the machine is busy")

    monkeypatch.setattr(estimates, "time_network", refuse)
    cli.main(["init", "data/raw/mine"])
    assert "how long it takes is not known: the machine is busy" in capsys.readouterr().out
