"""Settings and fixtures of all tests."""

import gc
import os
import pickle
import signal
import sys
import tempfile
import types
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import counterpoise.dataset.tasks
import counterpoise.evaluation.tasks
import counterpoise.report.tasks
import counterpoise.tasks
import counterpoise.training.tasks
from counterpoise import storage
from counterpoise.engine import ray_cluster, ray_tasks, ray_worker, unfinished
from counterpoise.engine.store import Store
from counterpoise.engine.work import ENGINE

# Background jobs of a shell ignore Ctrl-C, and their child processes inherit this. Some tests interrupt such processes.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Most of what modules and tests leave is kept to the end: looking for garbage less often saves a tenth of the time.
gc.set_threshold(100_000, 50, 1000)

os.environ["DVC_NO_ANALYTICS"] = "1"  # DVC leaves a file in /tmp for each command that it could not report

# An example may take longer than 200 ms where several processes share a core. The same examples are tried each time, so
# that no change fails for what it did not touch; `pytest -m hypothesis --hypothesis-profile search` tries other ones.
hypothesis.settings.register_profile("counterpoise", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, max_examples=300, print_blob=True)
hypothesis.settings.load_profile("counterpoise")

SLOW_FILES = (
    *("stages/test_train.py", "stages/test_report.py", "test_pipeline.py", "decision/test_ledger.py"),
    *("study/test_study.py", "test_detectors.py", "training/test_gpu.py", "stages/test_imports.py"),
    *("test_page_of_boxes.py", "training/test_box_teaching.py", "stages/test_evaluate.py", "test_multilabel.py"),
    *("calibration/test_label_shift.py", "demos/test_scenes.py", "report/charts/test_charts.py"),
    *("study/test_learning_curve.py", "stages/test_ingest.py", "study/test_simulated_studies.py"),
    "test_docstrings.py",
)
"""The slowest test files, slowest first. If one of them started last, all other processes would wait for it."""

OF_TASKS = (
    *(counterpoise.tasks, counterpoise.dataset.tasks, counterpoise.training.tasks),
    *(counterpoise.evaluation.tasks, counterpoise.report.tasks),
)
"""Packages with one module per task."""


MADE_UP = {
    counterpoise.evaluation.tasks: "RAW_RULE = 'the most probable grade'\n",
    counterpoise.report.tasks: (
        "import dataclasses\n"
        "from counterpoise.report.tasks import multiclass\n"
        "WORDS = dataclasses.replace(multiclass.WORDS, noun='grade', nouns='grades')\n"
    ),
}
"""What the made-up task of `third_task` does differently."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import without looking for garbage: what tests are collected from lives as long as the process."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow files first, then long ones: processes share the tests file by file, in this order."""
    places = {Path(__file__).parent / name: (place, 0) for place, name in enumerate(SLOW_FILES)}
    for path in {item.path for item in items} - set(places):
        places[path] = len(SLOW_FILES), -path.stat().st_size
    items.sort(key=lambda item: (*places[item.path], item.path))


@pytest.fixture(scope="session", autouse=True)
def files_are_not_synced() -> Iterator[None]:
    """Leave it to the system when it writes to the disk: only a loss of power could tell, and thousands would wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: None)
        yield


class Code:
    """The code that names unfinished work, read once: it takes as long as most trainings of the tests."""

    def __init__(self, folder: Path) -> None:
        self._content = b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))

    def rglob(self, pattern: str) -> list["Code"]:
        return [self]

    def read_bytes(self) -> bytes:
        return self._content


@pytest.fixture(scope="session", autouse=True)
def code_is_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unfinished, "CODE", Code(unfinished.CODE))
        yield


@pytest.fixture(scope="session", autouse=True)
def absent_devices_keep_no_stacks() -> Iterator[None]:
    """`torch.manual_seed` records the stack of its caller for each kind of device that may start later: a millisecond
    of an epoch that takes ten."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("cuda", "mtia", "xpu"):
            if (module := sys.modules.get(f"torch.{kind}")) is not None:
                patch.setattr(module, "traceback", types.SimpleNamespace(format_stack=list))
        yield


@pytest.fixture
def sign() -> Callable[[Path], None]:
    """Give a function that records the checksum of an artifact's file anew, as if its writer had made it so."""

    def record(path: Path) -> None:
        sums = [found for folder in path.parents for found in sorted(folder.glob("*.sums"))]
        own = [found for found in sums if path.relative_to(found.parent).as_posix() in storage.names_in(found)]
        storage.record(path, own[0])

    return record


@pytest.fixture(params=["a shared folder", "a store"])
def in_portions(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], None]]:
    """Give a function after whose call work is done as on a cluster, but here: in portions, each sent as bytes.

    With a store, a portion sees no other files of the repository than those that it is said to read.
    """
    kept = Store(tmp_path_factory.mktemp("store").as_uri()) if request.param == "a store" else None

    def spread(
        root: Path, function: object, *, portion: int, reads: Callable[[Any], Any], any_order: bool, **_: object
    ) -> Callable[[Any], Iterator[Any]]:
        name, sent = uuid.uuid4().hex, ray_worker.pickled(function, root)

        def run(work: Any) -> Iterator[Any]:
            (root / ".token").touch()
            where = ("", kept.url) if kept else (".token", "")
            setup = ray_worker.Setup((name, sent), str(root), *where, "__main__", ray_worker.Needs(1, 0))
            begins = range(0, max(1, len(work)), size := min(portion, 2))
            for begin in reversed(begins) if any_order else begins:
                part = work[begin : begin + size]
                files = kept.put(root, reads(part)) if kept else []
                for parcel in ray_worker.compute(pickle.dumps(setup), ray_worker.pickled((part, files), root), "this"):
                    found = pickle.loads(parcel).content
                    if isinstance(found, Exception):
                        raise found
                    yield from map(pickle.loads, found)

        return run

    def switch_on() -> None:
        monkeypatch.setenv(ENGINE, "ray")
        monkeypatch.setattr(ray_tasks, "spread", spread)
        monkeypatch.setattr(ray_cluster, "connect", lambda: None)
        monkeypatch.setattr(ray_cluster, "cpus", lambda: 1)
        monkeypatch.setattr(ray_worker, "_functions", {})
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("node")))
        monkeypatch.setenv("COUNTERPOISE_CPUS", "1")  # which the worker sets, as it does this, and changes the folder
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        monkeypatch.chdir(Path.cwd())

    yield switch_on
    ray_worker._mirror.cache_clear()
    ray_worker._store.cache_clear()


@pytest.fixture
def third_task(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a task that is `multiclass` with other words, by adding one file to each package of tasks."""
    name = "ordinal"
    for package in OF_TASKS:
        folder = tmp_path_factory.mktemp(package.__name__)
        lines = f"from {package.__name__}.multiclass import *\n{MADE_UP.get(package, '')}"
        (folder / f"{name}.py").write_text(lines, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    yield name
    for package in OF_TASKS:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)
