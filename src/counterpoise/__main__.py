"""The console script `counterpoise`, for people; the pipeline itself runs by `dvc repro`."""

from __future__ import annotations

import argparse
import sys

from counterpoise import commands
from counterpoise.config import InputError
from counterpoise.storage import ArtifactError


def main(arguments: list[str] | None = None) -> None:
    """Run a command of the console script."""
    parser = argparse.ArgumentParser(
        prog="counterpoise",
        description="Tools around the pipeline. The pipeline itself: `dvc repro`, from the top of the repository",
    )
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name in commands.names():
        command = commands.find(name)
        command.add_arguments(subparsers.add_parser(name, help=command.HELP))
    parsed = parser.parse_args(arguments)
    try:
        print(commands.find(parsed.command).run(parsed))
    except (InputError, ArtifactError) as error:
        sys.exit(f"\n{error}\n")


if __name__ == "__main__":
    main()
