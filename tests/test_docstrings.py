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


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_show(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert not failed
    assert bool(tried) == (">>> " in MODULES[name].read_text(encoding="utf-8"))
