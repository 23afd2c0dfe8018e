"""One file per DVC stage: what it reads, a pure function, and `main`, which alone reads and writes files."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from counterpoise import config, storage

P = TypeVar("P", bound=config.Section)

REFUSALS = {
    errno.ENOSPC: "the disk is full; make room, and run `dvc repro` again",
    errno.EDQUOT: "your quota of the disk is used up; make room, and run `dvc repro` again",
    errno.EFBIG: "the file would be larger than the system allows; raise `ulimit -f`, and run `dvc repro` again",
    errno.EROFS: "the file system is read-only; make it writable, and run `dvc repro` again",
    errno.EACCES: "permission denied; give this user access, and run `dvc repro` again",
    errno.EPERM: "permission denied; give this user access, and run `dvc repro` again",
}
"""What the system may refuse a stage, and what a person can do about it."""


def run(main: Callable[[Path, P], None], params: type[P]) -> None:
    """Run a stage in the current folder; see `ending_in_words`."""
    with ending_in_words():
        main(Path.cwd(), config.read(Path.cwd(), params))


@contextmanager
def ending_in_words() -> Iterator[None]:
    """End the process with a message, and without a traceback, where it is a person who must act.

    The exit code is 1 for a mistake of the user and what the system refuses, 130 for Ctrl-C.
    """
    try:
        yield
    except (config.InputError, storage.ArtifactError) as error:
        sys.exit(f"\n{error}\n")
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        sys.exit(f"\n{error.filename or 'a file'}: {REFUSALS[error.errno]}\n")
    except KeyboardInterrupt:
        _end_interrupted()


def _end_interrupted() -> None:
    print("\ninterrupted; `dvc repro` goes on from here", file=sys.stderr)
    sys.exit(130)


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _end_interrupted()
    sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # Python is looking for a stage, whose imports take seconds: Ctrl-C may come before `run`
    sys.excepthook = _hook


def warn(message: str) -> None:
    """Say loudly what a person should know although the stage goes on."""
    print(f"WARNING: {message}", file=sys.stderr)
