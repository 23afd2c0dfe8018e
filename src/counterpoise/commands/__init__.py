"""The open set of commands: a file per sub-command of `counterpoise`, found by its name.

`Command` says what a file `commands/<name>.py` holds; `learning_curve` is called as `learning-curve`. All files are
imported to parse a command line, so that they import torch, and modules that import it, inside functions. What
commands share lies in files whose names begin with `_`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol, TextIO

from counterpoise import config
from counterpoise.config import InputError

GROUPS = {
    "Start": "from your images to a pipeline that runs",
    "Understand": "what labels and parameters say",
    "Compare": "which remedy helped",
    "Deploy": "what a built model says of other images",
}
"""Group of commands -> what they are for, in the order of `counterpoise --help`."""
EXIT_CODES = {
    0: "done",
    1: "not done, or in part: the message says what to change",
    2: "the command line is not understood",
    130: "interrupted by Ctrl-C",
}
"""Exit code -> its meaning, the same for every command."""
WIDEST = 100
"""Columns of help."""


class Command(Protocol):
    """What every file of this folder offers."""

    HELP: str
    """A line for `counterpoise --help`: what the command does, without a capital and without a full stop."""
    GROUP: str
    """Its group there, one of `GROUPS`."""
    EXAMPLES: Sequence[tuple[str, str]]
    """Command lines that work, the shortest first, and what each is for; its own help shows them."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments; with `metavar` FILE, DIR or PATH, shells complete names of files."""

    def run(self, arguments: argparse.Namespace) -> str:
        """Run in the current folder, and return what is to be printed."""


def names() -> list[str]:
    """List the commands, as the user types them."""
    return sorted(
        module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )


def find(name: str) -> Command:
    """Find the file of a command, one of `names()`."""
    command: Command = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return command


class _Parser(argparse.ArgumentParser):
    """The parser of `counterpoise` itself, whose help lists the commands by group."""

    def format_help(self) -> str:
        """Write the commands by group."""
        return "\n".join(_overview(sys.stdout))

    def error(self, message: str) -> NoReturn:
        """Say what commands there are where none, or an unknown one, is named."""
        self.exit(2, "\n".join([*_overview(sys.stderr), f"counterpoise: {message}\n"]))


def parser() -> argparse.ArgumentParser:
    """Make the parser of the console script, with a parser for every command."""
    made = _Parser(prog="counterpoise", usage="counterpoise COMMAND [ARGUMENTS]")
    of_commands = made.add_subparsers(
        prog="counterpoise", dest="command", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for name in names():
        command = find(name)
        command.add_arguments(
            of_commands.add_parser(
                name,
                help=command.HELP,
                description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
                epilog="\n".join([*_examples(command), "", *_exit_codes()]),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return made


def _overview(stream: TextIO) -> Iterator[str]:
    """List the commands by group, as `counterpoise --help` prints them."""
    yield "usage: counterpoise COMMAND [ARGUMENTS]"
    yield ""
    yield "Tools around the pipeline. The pipeline itself runs by `dvc repro`, from the top of the repository."
    found = {name: find(name) for name in names()}
    width = max(map(len, found)) + 4
    columns = min(shutil.get_terminal_size().columns, WIDEST)
    for group, purpose in GROUPS.items():
        own = {name: command.HELP for name, command in found.items() if group == command.GROUP}
        if own:
            yield ""
            yield f"{bold(group, stream)}: {purpose}"
        for name, text in own.items():
            yield from textwrap.wrap(
                text, max(columns, 2 * width), initial_indent=f"  {name}".ljust(width), subsequent_indent=" " * width
            )
    yield ""
    yield "`counterpoise COMMAND --help` shows arguments and examples of a command."
    yield ""
    yield from _exit_codes()
    yield ""


def _examples(command: Command) -> Iterator[str]:
    yield "examples:"
    for line, purpose in command.EXAMPLES:
        yield f"  # {purpose}"
        yield f"  {line}"


def _exit_codes() -> Iterator[str]:
    yield "exit codes:"
    for code, meaning in EXIT_CODES.items():
        yield f"  {code:<5}{meaning}"


def bold(text: str, stream: TextIO) -> str:
    """Write a text bold where the stream is a terminal that shows it, and `NO_COLOR` is not set (no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain else f"\033[1m{text}\033[0m"


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
