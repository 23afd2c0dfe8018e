"""What every test stands on."""

import signal
import sys
from collections.abc import Iterator

import pytest

import counterpoise.dataset.tasks
import counterpoise.evaluation.tasks
import counterpoise.report.tasks
import counterpoise.tasks

# A shell lets jobs in its background ignore Ctrl-C, and programs that tests start there, to interrupt them, inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)

OF_TASKS = (counterpoise.tasks, counterpoise.dataset.tasks, counterpoise.evaluation.tasks, counterpoise.report.tasks)
"""The open sets that hold a file for each task."""


MADE_UP = {
    counterpoise.evaluation.tasks: "RAW_RULE = 'the most probable grade'\n",
    counterpoise.report.tasks: (
        "import dataclasses\n"
        "from counterpoise.report.tasks import multiclass\n"
        "WORDS = dataclasses.replace(multiclass.WORDS, noun='grade', nouns='grades')\n"
    ),
}
"""What a made-up task does in its own way."""


@pytest.fixture
def third_task(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a task that is `multiclass` with words of its own: one file in each open set of tasks, and nothing else."""
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
