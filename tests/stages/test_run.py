"""How a stage ends when it is a person who must act: with words, a code, and nothing half done."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from counterpoise import config, stages, storage


class Params(config.Section):
    """A stage that reads nothing."""


def end(error: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SystemExit:
    """Run a stage that raises, and return how it ended."""

    def main(root: Path, params: Params) -> None:
        raise error

    (folder / config.PATH).write_text("seed: 0\n")
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as caught:
        stages.run(main, Params)
    return caught.value


@pytest.mark.parametrize("kind", [config.InputError, storage.ArtifactError])
def test_a_mistake_ends_with_its_message(tmp_path, monkeypatch, kind):
    assert end(kind("labels.csv row 2: what"), tmp_path, monkeypatch).code == "\nlabels.csv row 2: what\n"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "your disk quota is used up; free some space"),
        (errno.EFBIG, "the file would be larger than the system allows"),
        (errno.EROFS, "the file system is read-only; make it writable"),
        (errno.EACCES, "permission denied; give this user access"),
        (errno.EPERM, "permission denied; give this user access"),
        (errno.EISDIR, "a folder is in the place of a file; move it away"),
    ],
)
def test_what_the_system_refuses_ends_with_path_reason_and_remedy(tmp_path, monkeypatch, number, words):
    code = str(end(OSError(number, os.strerror(number), "data/manifest.csv"), tmp_path, monkeypatch).code)
    assert code.startswith(f"\ndata/manifest.csv: {words}")
    assert "Errno" not in code
    assert str(end(OSError(number, "x"), tmp_path, monkeypatch).code).startswith(f"\na file: {words}")


def test_an_error_of_the_code_keeps_its_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / config.PATH).write_text("seed: 0\n")
    there = FileExistsError(errno.EEXIST, "x", str(tmp_path))  # a folder, which is in nobody's way
    for error in (ValueError("x"), FileNotFoundError(errno.ENOENT, "x"), there):

        def main(root: Path, params: Params, error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)):
            stages.run(main, Params)


def test_ctrl_c_ends_with_a_line_and_code_130(tmp_path, monkeypatch, capsys):
    assert end(KeyboardInterrupt(), tmp_path, monkeypatch).code == 130
    assert capsys.readouterr().err.strip() == "interrupted; run `dvc repro` to continue"


def test_an_unreadable_parameter_file_ends_with_words(tmp_path, monkeypatch):
    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SystemExit, match=r"params\.yaml: permission denied; give this user access"):
        stages.run(lambda root, params: None, Params)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_ends_with_words(tmp_path, monkeypatch):
    (tmp_path / config.PATH).write_text("seed: 0\n")
    (tmp_path / "data").mkdir(mode=0o500)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"data/a\.csv: permission denied; give this user access"):
        stages.run(lambda root, params: storage.write_text(root / "data/a.csv", "x"), Params)


@pytest.mark.parametrize("path", ["data/manifest.csv", "data/features/train/features.npy"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path, monkeypatch, path):
    (tmp_path / config.PATH).write_text("seed: 0\n")
    (tmp_path / "data").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"\n/.*/data: a file is in the place of a folder; move it away and run"):
        stages.run(lambda root, params: storage.write_text(root / path, "x"), Params)
    assert (tmp_path / "data").read_text() == "in the way"


def test_a_folder_in_the_place_of_a_file_is_named_and_kept(tmp_path, monkeypatch):
    (tmp_path / config.PATH).write_text("seed: 0\n")
    (tmp_path / "a.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"/a\.csv: a folder is in the place of a file; move it away and run"):
        stages.run(lambda root, params: storage.write_text(root / "a.csv", "x"), Params)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.csv", config.PATH]


def test_ctrl_c_while_a_stage_is_still_importing_ends_alike(tmp_path):
    (tmp_path / "tqdm.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n")
    found = subprocess.run(
        [sys.executable, "-m", "counterpoise.stages.ingest"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 130
    assert found.stderr.strip() == "interrupted; run `dvc repro` to continue"


@pytest.mark.parametrize("library", ["pydantic", "xxhash", "yaml"])
def test_ctrl_c_while_the_first_libraries_are_imported_ends_alike(library, tmp_path):
    (tmp_path / f"{library}.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n"
    )
    paths = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    for command in (["counterpoise.stages.ingest"], ["counterpoise", "params"]):
        found = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 130
        assert re.fullmatch(r"\s*interrupted(; run `dvc repro` to continue)?\s*", found.stderr)


ALONE = """
import pathlib, sys
from counterpoise import stages

with stages.ending_in_words(), stages.alone(pathlib.Path(sys.argv[1]), "train"):
    print("it runs")
"""


def test_one_stage_runs_alone_until_it_has_ended(tmp_path):
    with stages.alone(tmp_path, "train"), stages.alone(tmp_path, "embed"):
        found = subprocess.run([sys.executable, "-c", ALONE, tmp_path], capture_output=True, text=True, check=False)
        assert f"stage 'train' is running already in {tmp_path}; wait" in found.stderr
        assert "Traceback" not in found.stderr
    found = subprocess.run([sys.executable, "-c", ALONE, tmp_path], capture_output=True, text=True, check=False)
    assert found.stdout == "it runs\n"


def test_a_stage_may_wait_for_a_run_that_is_about_to_end(tmp_path):
    began, held = threading.Event(), []

    def hold():
        with stages.alone(tmp_path, "train"):
            began.set()
            time.sleep(0.3)
            held.append("first")

    other = threading.Thread(target=hold)
    other.start()
    began.wait()
    with stages.alone(tmp_path, "train", wait_s=60.0):
        held.append("second")
    other.join()
    assert held == ["first", "second"]


def test_an_error_while_a_stage_is_importing_keeps_its_traceback(tmp_path):
    (tmp_path / "tqdm.py").write_text("raise RuntimeError('broken')\n")
    found = subprocess.run(
        [sys.executable, "-m", "counterpoise.stages.ingest"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert "Traceback" in found.stderr
    assert "RuntimeError: broken" in found.stderr


WORKING = """
import numpy as np
from counterpoise import config, images, stages
from counterpoise.artifacts import tiles
from counterpoise.dataset import inputs as loading

class Params(config.Section):
    pass

def main(root, params):
    picture = images.encode_png(np.zeros((64, 64, 3), np.uint8))
    with tiles.writing(root, "train") as append:
        append(tiles.Tile("a", "a", "x", (0, 0, 64, 64), picture))
    rows = np.zeros(100_000, dtype=np.int64)
    loading.workers_count = lambda: 2
    inputs = loading.TileInputs(tiles.read(root, "train"), rows, rows, 32, "none", 0, "none", "resnet18")
    with tiles.writing(root, "val") as append:
        append(tiles.Tile("a", "a", "x", (0, 0, 64, 64), picture))
        for _ in inputs.batches(loading.in_order(len(rows), 16)):
            print("working", flush=True)

stages.run(main, Params)
"""


def test_ctrl_c_leaves_no_worker_and_no_half_artifact(tmp_path):
    (tmp_path / config.PATH).write_text("seed: 0\n")
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", WORKING],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that, as from a terminal, the signal reaches its workers, too
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        os.killpg(child.pid, signal.SIGINT)
        _, told = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted; run `dvc repro` to continue" in told
    assert "KeyboardInterrupt" not in told  # a worker that was handing over a batch may say that nobody took it
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)
    assert [path.name for path in (tmp_path / "data/tiles").iterdir()] == ["train"]
