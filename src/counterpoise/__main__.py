"""The console script `counterpoise`, for people; the pipeline itself runs by `dvc repro`."""

from __future__ import annotations

import argparse
import os
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
        print(commands.find(parsed.command).run(parsed), flush=True)
    except (InputError, ArtifactError) as error:
        sys.exit(f"\n{error}\n")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit


if __name__ == "__main__":
    main()
