"""One module per DVC stage: parameters, a pure function, and `main`, the only function that accesses files."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar


def _end_interrupted() -> None:
    print("\ninterrupted; run `dvc repro` to continue", file=sys.stderr)
    sys.exit(130)


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _end_interrupted()
    sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # Python is looking for a stage, whose imports take seconds
    sys.excepthook = _hook

from counterpoise import config, storage  # noqa: E402 - Ctrl-C may come while they are imported
from counterpoise.artifacts import code_lists  # noqa: E402

P = TypeVar("P", bound=config.Section)

REFUSALS = {
    errno.ENOSPC: "the disk is full; free some space and run `dvc repro` again",
    errno.EDQUOT: "your disk quota is used up; free some space and run `dvc repro` again",
    errno.EFBIG: "the file would be larger than the system allows; raise `ulimit -f` and run `dvc repro` again",
    errno.EROFS: "the file system is read-only; make it writable and run `dvc repro` again",
    errno.EACCES: "permission denied; give this user access and run `dvc repro` again",
    errno.EPERM: "permission denied; give this user access and run `dvc repro` again",
    errno.ENOTDIR: "a file is in the place of a folder; move it away and run `dvc repro` again",
    errno.EEXIST: "a file is in the place of a folder; move it away and run `dvc repro` again",
    errno.EISDIR: "a folder is in the place of a file; move it away and run `dvc repro` again",
}
"""Error number of the operating system -> what happened, and what to do about it."""
ALLOCATIONS = 100_000, 50, 100
"""When Python looks for garbage (`gc.set_threshold`): by default far more often, and imports take a tenth longer."""
SHOWN = 6
"""Number of classes that console output lists one by one."""


def run(main: Callable[[Path, P], None], params: type[P]) -> None:
    """Run a stage in the current folder; see `ending_in_words`.

    DVC records the list of a stage's code beside its results, so that both must belong together.
    """
    with ending_in_words():
        stage = Path(sys.argv[0]).stem
        if changed := code_lists.changed(Path.cwd(), stage):
            raise config.InputError(
                f"{changed[0]} is not as in {code_lists.path(stage)}, by which DVC tells which code {stage!r} ran; "
                "run `dvc repro code` first, or plain `dvc repro`"
            )
        main(Path.cwd(), config.read(Path.cwd(), params))


def refusal(error: OSError) -> str | None:
    """Say where the system refused what, and what to do about it; `None` if the user can do nothing."""
    if error.errno not in REFUSALS:
        return None
    where = error.filename or "a file"
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and error.filename:
        path = Path(error.filename)
        where = next((str(one) for one in (path, *path.parents) if os.path.lexists(one)), where)
        if Path(where).is_dir():  # nothing is in the way
            return None
    return f"{where}: {REFUSALS[error.errno]}"


@contextmanager
def ending_in_words() -> Iterator[None]:
    """Exit with a message instead of a traceback if the user can solve the problem.

    The exit code is 1 for input errors and errors of the operating system, and 130 for Ctrl-C. Every stage and command
    runs in here, and looks for garbage less often.
    """
    gc.set_threshold(*ALLOCATIONS)
    try:
        yield
    except (config.InputError, storage.ArtifactError) as error:
        sys.exit(f"\n{error}\n")
    except OSError as error:
        if (said := refusal(error)) is None:
            raise
        sys.exit(f"\n{said}\n")
    except KeyboardInterrupt:
        _end_interrupted()


@contextmanager
def alone(root: Path, stage: str, wait_s: float = 0.0) -> Iterator[None]:
    """Keep other runs of a stage out of this checkout; the system lifts the lock of a process that is killed.

    Args:
        root: The repository.
        stage: Name of the stage.
        wait_s: How long to wait for a run that is about to end.

    Raises:
        InputError: The stage is running already.
    """
    from filelock import FileLock, Timeout  # not every stage needs it

    lock = FileLock(root / f".{stage}.lock", timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise config.InputError(
            f"stage {stage!r} is running already in {root}; wait until it has ended, or run this one in another clone "
            "(`dvc exp run --temp` makes one)"
        ) from error
    except OSError as error:
        error.filename = str(root)  # the user knows of no lock
        raise
    try:
        yield
    finally:
        lock.release()


def warn(message: str) -> None:
    """Print a warning. The stage continues."""
    print(f"WARNING: {message}", file=sys.stderr)


def count_of(number: int, noun: str) -> str:
    """Write a number with its noun.

    Example:
        >>> count_of(1, "image"), count_of(20, "image")
        ('1 image', '20 images')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def list_counts(names: Sequence[str], counts: Sequence[int]) -> str:
    """List the first few classes with their counts, and the range of the others.

    Example:
        >>> list_counts(["a", "b", "c", "d", "e", "f", "g", "h"], [9, 8, 7, 6, 5, 4, 3, 1])
        'a 9, b 8, c 7, d 6, e 5, f 4, and 2 more with 1 to 3 each'
        >>> list_counts(["a", "b"], [9, 8])
        'a 9, b 8'
    """
    parts = [f"{name} {count}" for name, count in zip(names[:SHOWN], counts, strict=False)]
    if others := counts[SHOWN:]:
        span = f"{min(others)} to {max(others)}" if min(others) < max(others) else f"{max(others)}"
        parts.append(f"and {len(others)} more with {span} each")
    return ", ".join(parts)
