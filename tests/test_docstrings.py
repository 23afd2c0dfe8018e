"""Every module can be imported, and examples in docstrings print what they show.

pytest's `--doctest-modules` would import all modules in each process of a test run.
"""

import doctest
import importlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((SOURCE / "counterpoise").rglob("*.py"))
}


def test_there_are_modules() -> None:
    assert {"counterpoise", "counterpoise.losses.focal", "counterpoise.stages.train"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_show(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert (failed, tried) == (0, MODULES[name].read_text(encoding="utf-8").count(">>> "))
