"""`counterpoise completion`: what a shell needs to complete commands, options and names of files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from counterpoise import commands

HELP = "print the script by which a shell completes commands and options"
GROUP = "Start"
EXAMPLES = (
    ('eval "$(counterpoise completion bash)"', "in ~/.bashrc"),
    ('eval "$(counterpoise completion zsh)"', "in ~/.zshrc, after compinit"),
    ("counterpoise completion fish > ~/.config/fish/completions/counterpoise.fish", "once, for fish"),
)
SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the shell."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that you use")


def run(arguments: argparse.Namespace) -> str:
    """Write the script, from the same parser that reads command lines."""
    import shtab

    parser = commands.parser()
    completed_by = {"FILE": shtab.FILE, "PATH": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in _arguments(parser):
        if action.metavar in completed_by:
            vars(action)["complete"] = completed_by[action.metavar]  # the attribute by which shtab is told
    return shtab.complete(parser, shell=arguments.shell)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """List the arguments of a parser and of its sub-parsers; argparse has no public way to them."""
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for own in action.choices.values():
                yield from _arguments(own)
