"""The options by which a command names a built model, and how it is read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise import commands

if TYPE_CHECKING:
    from counterpoise.deployment.built import Built


def add_arguments(parser: argparse.ArgumentParser, where: str) -> None:
    """Declare the model, and how frequent classes are.

    Args:
        parser: Of the command.
        where: Where classes have these shares, as a clause such as "where the images are from".
    """
    parser.add_argument(
        "--model", metavar="DIR", help="repository in which the model was built (default: the current folder)"
    )
    parser.add_argument(
        "--prevalence",
        action="append",
        default=[],
        metavar="SHARE",
        help=f"share of the class that matters {where}, such as 0.05, or of another class, such as rust=0.05; may be "
        "repeated (default: as decide.target)",
    )


def locate(stated: str | None) -> tuple[Path, dict[str, Any]]:
    """Find the repository of the model, and read its parameters.

    Raises:
        InputError: There is no such repository, or its parameters are faulty.
    """
    if stated is None:
        return Path.cwd(), commands.checked_params(Path.cwd())
    from counterpoise.deployment import model_folder

    root = model_folder.locate(stated)
    with model_folder.naming(stated):
        return root, commands.checked_params(root)


def read(arguments: argparse.Namespace, root: Path, content: Mapping[str, Any]) -> Built:
    """Read the model, for the stated shares.

    Raises:
        InputError: It is of another version or another task, or a share is wrong.
        ArtifactError: There is none, or a file is damaged.
    """
    from counterpoise.deployment import built  # imports torch

    return built.read(root, content, arguments.model).with_shares(arguments.prevalence)
