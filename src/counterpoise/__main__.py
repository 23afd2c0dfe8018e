"""The console script `counterpoise`, for people; the pipeline itself runs by `dvc repro`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def main(arguments: list[str] | None = None) -> None:
    """Run a command of the console script; the exit code is 1 for an error and 130 for Ctrl-C."""
    try:
        _run(arguments)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)


def _run(arguments: list[str] | None) -> None:
    from counterpoise import commands  # imported here, as all below: Ctrl-C may come before they are there
    from counterpoise.stages import ending_in_words

    parsed = commands.parser().parse_args(arguments)
    with ending_in_words():
        text = _text_of(parsed)
        try:
            print(text, flush=True)
        except BrokenPipeError:  # the reader, such as `head`, has seen enough; or Python complains at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _text_of(parsed: argparse.Namespace) -> str:
    """Run a command; where it is ended, say that it, and not `dvc repro`, is to be run again."""
    from counterpoise import commands, config
    from counterpoise.stages import refusal

    again = f"counterpoise {parsed.command}"
    try:
        return commands.find(parsed.command).run(parsed)
    except OSError as error:
        if (said := refusal(error)) is None:
            raise
        raise config.InputError(said.replace("dvc repro", again)) from error
    except KeyboardInterrupt:
        print(f"\ninterrupted; run `{again}` again", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
