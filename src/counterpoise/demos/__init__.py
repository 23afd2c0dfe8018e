"""The open set of demo sets: a file per set that comes by pip, each with `write(folder)`."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Protocol

from counterpoise.config import PATH, InputError, suggest


class Demo(Protocol):
    """What every file of this folder offers."""

    def write(self, folder: Path) -> None:
        """Write images and `labels.csv` into an empty folder."""


def names() -> list[str]:
    """List the demo sets."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Demo:
    """Find a demo set by its name.

    Raises:
        InputError: There is no such set.
    """
    if name not in names():
        raise InputError(f"{PATH}: demo.name is {name!r}; {suggest(name, ['none', *names()])}")
    demo: Demo = importlib.import_module(f"{__name__}.{name}")
    return demo
