"""Faults of the shipped parameters with some values set."""

from collections.abc import Callable
from pathlib import Path

import pytest

from counterpoise import config
from counterpoise.stages import check

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def problems() -> Callable[..., list[str]]:
    """List the faults that `check` finds where values are set by dotted name, in which `__` stands for the dot.

    The solver is `adamw`, which excludes nothing, unless it is set.
    """

    def list_faults(**values: object) -> list[str]:
        content = config.load(ROOT)
        for name, value in {"train__solver": "adamw", **values}.items():
            *owners, last = name.split("__")
            block = content
            for owner in owners:
                block = block[owner]
            block[last] = value
        return check.problems(content)

    return list_faults
