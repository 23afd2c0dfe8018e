"""The open set of commands: a file per sub-command of `counterpoise`, found by its name.

A file `commands/<name>.py` holds `HELP`, a line for `counterpoise --help`, `add_arguments(parser)` and
`run(arguments) -> str`, which returns what is to be printed; `learning_curve` is called as `learning-curve`. All files
are imported to parse a command line, so that they import torch, and modules that import it, inside functions.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path
from typing import Any, Protocol

from counterpoise import config
from counterpoise.config import InputError


class Command(Protocol):
    """What every file of this folder offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of the command."""

    def run(self, arguments: argparse.Namespace) -> str:
        """Run in the current folder, and return what is to be printed."""


def names() -> list[str]:
    """List the commands, as the user types them."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Command:
    """Find the file of a command, one of `names()`."""
    command: Command = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return command


def checked_params(root: Path) -> dict[str, Any]:
    """Read `params.yaml` and check it as the stage `check` does.

    Raises:
        InputError: It is missing, unreadable or faulty; one line for every fault.
    """
    from counterpoise.networks import outlines  # imported here, as not every command checks parameters
    from counterpoise.stages import check

    content = config.load(root)
    outlines.recall(root)
    if faults := check.problems(content):
        raise InputError("\n".join([*faults, *check.undo(root, content, faults)]))
    return content
