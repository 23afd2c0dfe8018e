"""The whole pipeline under DVC, in a repository of its own, on pictures that the test draws."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tests import processes

from counterpoise import config, seeds
from counterpoise.artifacts import code_lists

ROOT = Path(__file__).resolve().parents[1]
LATER_THAN_LOSS = ["check", "train", "predict", "decide", "evaluate", "report"]

SMALL = {
    "name: elpv": "name: none",
    "root: data/demo": "root: data/raw/shapes",
    "source: csv": "source: folder",
    "backbone: tf_efficientnet_lite0": "backbone: test_efficientnet",
    "weights: bundled": "weights: none",
    "input_px: 160": "input_px: 32",
    "epochs: 60": "epochs: 3",
    "resamples: 1000": "resamples: 100",
    "mistakes: 24": "mistakes: 2",
}


IN_ONE_PROCESS = """
import runpy, sys
sys.path.insert(0, "")
for name in sys.argv[1:]:
    runpy.run_module(f"counterpoise.stages.{name}", run_name="__main__", alter_sys=True)
"""


LOADED = """
import importlib, os, sys
from pathlib import Path
sys.path.insert(0, "")
from counterpoise import config
stage = importlib.import_module(f"counterpoise.stages.{sys.argv[1]}")
stage.main(Path.cwd(), config.read(Path.cwd(), stage.Params))
source = Path(sys.modules["counterpoise"].__file__).parents[1]
for name, module in sorted(sys.modules.items()):
    if name.split(".")[0] == "counterpoise" and getattr(module, "__file__", None):
        print("loaded src/" + Path(module.__file__).relative_to(source).as_posix())
"""


ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT / "src"),  # of which the repositories have copies, and which is compiled already
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{role}_{key}": "test@test" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
}


def attempt(folder: Path, *command: str) -> processes.Done:
    """Run a command; DVC and Python without starting an interpreter."""
    if command[0] in ("dvc", "python"):
        own = command[1:] if command[0] == "python" else command
        return processes.start(*own, folder=folder, environment=ENVIRONMENT).wait(600)
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return processes.Done(done.returncode, done.stdout, done.stderr)


def run(folder: Path, *command: str) -> str:
    done = attempt(folder, *command)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def stages_run(output: str) -> list[str]:
    return re.findall(r"^Running stage '(\w+)'", output, re.MULTILINE)


def draw_pictures(folder: Path) -> None:
    """Bright squares are rare, dark ones frequent; two frequent ones are the same file under two names."""
    for name, count, level in (("dark", 40, 60), ("grey", 20, 120), ("bright", 10, 190)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            rng = seeds.generator(0, name, number)
            pixels = rng.integers(level - 40, level + 40, (24, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03d}.png")
    shutil.copy(folder / "dark" / "000.png", folder / "dark" / "copy.png")


def new_repository(folder: Path) -> Path:
    """Make a repository of the files that git knows here, as they are in the working tree, with a small problem."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("tests/", "reports/")) and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    text = (folder / config.PATH).read_text()
    for old, new in SMALL.items():
        assert old in text, f"{config.PATH} no longer says {old!r}"
        text = text.replace(old, new)
    (folder / config.PATH).write_text(text)
    draw_pictures(folder / "data" / "raw" / "shapes")
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "config", "--local", "cache.dir", str(folder / ".dvc" / "cache"))
    run(folder, "dvc", "add", "--quiet", "data/raw/shapes")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "--quiet", "--message", "a small problem")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = new_repository(tmp_path_factory.mktemp("built"))
    run(folder, "dvc", "repro")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "--quiet", "--message", "built")
    return folder


def test_a_second_repro_does_nothing(built: Path) -> None:
    assert stages_run(run(built, "dvc", "repro")) == []
    assert run(built, "git", "status", "--short") == ""


@pytest.mark.slow
def test_a_stage_loads_no_code_that_its_list_lacks(built: Path) -> None:
    """The list is read off the imports; this is what a run really loads."""
    for stage in sorted({path.stem for path in (built / code_lists.FOLDER).iterdir()} - {"check"}):  # which lists all
        found = run(built, sys.executable, "-c", LOADED, stage)
        loaded = {Path(line).as_posix() for line in re.findall(r"^loaded (.+)$", found, re.MULTILINE)}
        listed = (built / code_lists.FOLDER / f"{stage}.txt").read_text() + (built / "dvc.lock").read_text()
        missing = {path for path in loaded if path not in listed and not only_a_docstring(ROOT / path)}
        assert not missing, f"{stage} runs {sorted(missing)}"
        assert f"src/counterpoise/stages/{stage}.py" in loaded


def only_a_docstring(path: Path) -> bool:
    return all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text(encoding="utf-8")).body)


@pytest.mark.slow
def test_two_runs_from_nothing_leave_the_same_lock(built: Path, tmp_path: Path) -> None:
    """The second run is that of one process."""
    other = new_repository(tmp_path / "other")
    stages = yaml.safe_load((other / "dvc.yaml").read_text())["stages"]
    assert [stage["cmd"] for stage in stages.values()] == [f"python -m counterpoise.stages.{name}" for name in stages]
    run(other, "python", "-c", IN_ONE_PROCESS, *stages)
    run(other, "dvc", "commit", "--force", "dvc.yaml")
    assert (other / "dvc.lock").read_text() == (built / "dvc.lock").read_text()


def test_another_loss_reruns_only_what_follows_it_and_going_back_retrains_nothing(built: Path) -> None:
    before = (built / "dvc.lock").read_text()
    there = run(built, "dvc", "exp", "run", "-S", "loss=focal")
    assert stages_run(there) == LATER_THAN_LOSS
    assert config.load(built)["loss"] == "focal"
    diff = run(built, "dvc", "metrics", "diff").strip().splitlines()
    assert 1 < len(diff) <= 16  # a header and at most 15 figures
    for number in re.findall(r"\d+\.\d+(?:e[-+]\d+)?", "\n".join(line.rsplit(maxsplit=1)[0] for line in diff[1:])):
        assert len(number.split("e")[0].replace(".", "").lstrip("0")) <= 4, f"{number} has more than four digits"
    comment = run(built, "python", "-m", "counterpoise", "pr-comment", "HEAD")
    assert "| `loss` | `cross_entropy` | `focal` |" in comment
    assert "| balanced accuracy |" in comment
    assert "not at hand" not in comment, "DVC's cache has the predictions of both"
    assert "Not committed, but compared:" in comment
    assert "does not fit" not in comment
    back = run(built, "dvc", "exp", "run", "-S", "loss=cross_entropy")
    assert "train" not in stages_run(back)
    assert "predict" not in stages_run(back)
    assert (built / "dvc.lock").read_text() == before


def test_git_ignores_photos_and_keeps_the_files_by_which_dvc_tracks_them(tmp_path: Path) -> None:
    """With the pattern `/data/raw/*`, DVC would not find `data/raw/mine.dvc` again."""
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for folder in ("mine/ok", "site/mine"):
        (tmp_path / "data" / "raw" / folder).mkdir(parents=True)
        (tmp_path / "data" / "raw" / folder / "photo.png").touch()
    for command in ("git init", "dvc init", "git add .", "dvc add data/raw/mine data/raw/site/mine", "git add ."):
        run(tmp_path, *command.split())
    kept = run(tmp_path, "git", "ls-files", "data/raw").split()
    assert kept == [f"data/raw/{name}" for name in (".gitignore", "mine.dvc", "site/.gitignore", "site/mine.dvc")]
    assert "Data and pipelines are up to date" in run(tmp_path, "dvc", "status")


def test_a_mistyped_loss_is_refused_before_anything_runs(built: Path) -> None:
    text = (built / config.PATH).read_text()
    (built / config.PATH).write_text(text.replace("loss: cross_entropy", "loss: focl"))
    done = subprocess.run(
        [sys.executable, "-m", "counterpoise.stages.check"], cwd=built, capture_output=True, text=True, check=False
    )
    (built / config.PATH).write_text(text)
    assert done.returncode == 1
    assert "did you mean 'focal'?" in done.stderr
    assert "To undo" not in done.stderr, "the first line says what to write"
    assert "Traceback" not in done.stderr


def test_a_fresh_clone_pulls_and_recomputes_only_the_demo_that_comes_by_pip(built: Path, tmp_path: Path) -> None:
    run(built, "dvc", "remote", "add", "--local", "--force", "--default", "shelf", str(tmp_path / "remote"))
    run(built, "dvc", "push", "dvc.yaml", "data/raw/shapes.dvc")
    run(tmp_path, "git", "clone", "--quiet", str(built), "clone")
    clone = tmp_path / "clone"
    run(clone, "dvc", "remote", "add", "--local", "--default", "shelf", str(tmp_path / "remote"))
    run(clone, "dvc", "pull", "dvc.yaml", "data/raw/shapes.dvc")
    dvc = str(Path(sys.executable).with_name("dvc"))  # which starts an interpreter for the stage, as it does for a user
    assert stages_run(run(clone, dvc, "repro")) == ["demo"]
    assert run(clone, "git", "status", "--short") == ""
    assert (clone / "reports" / "index.html").exists()


def test_dvc_deletes_no_files_of_the_user_in_the_folder_of_the_demo(built: Path) -> None:
    mine = built / "data" / "demo" / "mine.png"
    mine.touch()
    for command in (["repro"], ["repro", "--force"], ["exp", "run", "-S", "loss=focal"]):
        done = attempt(built, "dvc", *command)
        assert done.returncode != 0
        assert "data/demo holds files that the demo did not write" in done.stdout + done.stderr
        assert mine.exists()
    mine.unlink()
    run(built, "git", "checkout", "params.yaml", "dvc.lock")
    run(built, "dvc", "repro")
    assert run(built, "git", "status", "--short") == ""


def test_every_plot_of_dvc_yaml_can_be_shown(built: Path) -> None:
    run(built, "dvc", "plots", "show", "--out", "results/plots")
    page = (built / "results" / "plots" / "index.html").read_text()
    assert page.count("vega-lite") >= 6
