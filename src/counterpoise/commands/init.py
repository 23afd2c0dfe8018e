"""`counterpoise init`: look at images and labels, and write the parameters that suit them."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import config, sources, storage, tasks
from counterpoise.commands import _outputs
from counterpoise.config import InputError

if TYPE_CHECKING:
    from counterpoise.planning.proposal import Proposal

HELP = "look at your images and labels, and write params.yaml for them"
GROUP = "Start"
EXAMPLES = (
    ("counterpoise init data/raw/mine", "a folder of images with a table, boxes, or a folder per class"),
    ("counterpoise init data/raw/mine --positive defect --group-column patient", "state what cannot be seen"),
    ("counterpoise init data/raw/mine --out params.mine.yaml", "write elsewhere, to compare with params.yaml"),
)
ELSEWHERE = "params.init.yaml"
"""Where parameters are written while changes of `params.yaml` would be lost."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder, what a person states, and where the parameters go."""
    parser.add_argument("folder", metavar="DIR", help="folder, or link, inside the repository, such as data/raw/mine")
    parser.add_argument("--task", choices=tasks.names(), help="what the labels mean (default: found)")
    parser.add_argument("--source", choices=sources.names(), help="how the labels are read (default: found)")
    parser.add_argument("--positive", metavar="CLASS", default="", help="the class that matters (default: the rarest)")
    parser.add_argument("--group-column", metavar="NAME", default="", help="column of a table with groups of images")
    parser.add_argument("--out", metavar="FILE", default="", help=f"file to write (default: {config.PATH})")
    parser.add_argument("--force", action="store_true", help="replace the file, whatever is in it")


def run(arguments: argparse.Namespace) -> str:
    """Look, write the parameters, and say what was found and what is not sure.

    Raises:
        InputError: The folder is outside the repository, empty or without readable labels; or the file holds changes
            that are nowhere else: then the parameters are written beside it.
    """
    from counterpoise.planning import folder, proposal, reading, writing

    root = Path.cwd()
    place = _inside(root, arguments.folder)
    target = Path(arguments.out or config.PATH)
    _outputs.check_file("--out", target, new=False)
    files = folder.look(root / place)
    stated = reading.Stated(arguments.task or "", arguments.source or "", arguments.positive, arguments.group_column)
    made = proposal.propose(root, place, files, stated)
    proposal.check(root, made)
    minutes = _minutes(root, made)
    text = writing.text_of(made.content, made.notes, writing.head(place, minutes, made.doubts))
    lines = [*_summary(made), f"estimated: {minutes}", *_doubts(made.doubts)]
    if not arguments.force and (holds := _would_lose(root, target)):
        beside = target.with_name(ELSEWHERE)
        storage.write_text(beside, text)
        raise InputError(
            "\n".join(
                [
                    *lines,
                    f"{target} {holds}, so it stays unchanged, and the parameters are in {beside}. Compare the two, "
                    f"and take one: `mv {beside} {target}`, or run again with --force to replace {target}",
                ]
            )
        )
    storage.write_text(target, text)
    lines.append(f"wrote {target}; next: `counterpoise check`, then `dvc repro`")
    return "\n".join(lines)


def _inside(root: Path, given: str) -> str:
    """Give the folder as a path below the repository; where it leads, if it is a link, does not matter.

    Raises:
        InputError: It is outside, or the whole repository.
    """
    path = Path(os.path.normpath(root / given))
    if not path.is_relative_to(root):
        inside = f"data/raw/{path.name}"
        raise InputError(
            f"{given} is outside the repository {root}, so DVC could not track it; make a link, and name that:\n"
            f"  ln -s {path} {inside}\n  counterpoise init {inside}"
        )
    if path == root:
        raise InputError(f"{given} is the whole repository; name the folder of your images, such as data/raw/mine")
    return path.relative_to(root).as_posix()


def _would_lose(root: Path, target: Path) -> str:
    """Say why replacing a file would lose something; empty if it is new, or as git has it."""
    if not target.exists():
        return ""
    command = ["git", "show", f"HEAD:./{target.as_posix()}"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "is in no commit"
    return "" if done.stdout == target.read_bytes() else "has changes that are in no commit"


def _minutes(root: Path, made: Proposal) -> str:
    """Say how long a run takes, or why that is not known."""
    from counterpoise.planning import estimates

    if made.rehearsed is None:
        return "how long it takes is not known without a split"
    try:
        return estimates.in_words(estimates.estimate(root, made.content, made.found, made.rehearsed))
    except InputError as error:
        return f"how long it takes is not known: {error}"


def _summary(made: Proposal) -> list[str]:
    """Say what was found."""
    names = {
        **{"labels": "ingest.source", "task": "task", "classes": "ingest.rare", "rare": "evaluate", "split": "split"},
        **{"tiles": "tile.size_px", "network": "model.input_px", "pixels": "ingest.pixel_range"},
    }
    values = {"task": made.content["task"], "tile.size_px": f"{made.content['tile']['size_px']} px"}
    values["model.input_px"] = f"sees {made.content['model']['input_px']} px"
    return [
        f"{name + ':':<9}{values[key] + ': ' if key in values else ''}{made.notes[key]}"
        for name, key in names.items()
        if key in made.notes
    ]


def _doubts(doubts: list[str]) -> list[str]:
    return ["please check:", *(f"  - {line}" for line in doubts)] if doubts else []
