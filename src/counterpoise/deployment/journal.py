"""Rows of a file that is written for hours: an interrupted run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterpoise.config import InputError

SUFFIX = ".part"


class Journal:
    """A line of JSON for each image, in a file beside the one that is to be written.

    Its first line holds the settings, with which a run that goes on must agree. A line that a kill or a full disk cut
    off is dropped.

    Args:
        out: The file to be written in the end.
        settings: All that decides what is said of an image, by name.

    Raises:
        InputError: The rows there were made with other settings, or the file holds no rows of this kind.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.path = out.with_name(f"{out.name}{SUFFIX}")
        self.done: set[str] = set()
        self.failed = 0
        known = json.loads(json.dumps(settings))
        kept = 0
        if self.path.exists():
            with self.path.open("rb") as file:
                for number, line in enumerate(file):
                    if (content := _parsed(line)) is None:
                        break
                    if number == 0:
                        self._check(out, content, known)
                    else:
                        self._count(content)
                    kept += len(line)
            if not kept and self.path.stat().st_size:
                raise InputError(f"{self.path} is not of `counterpoise predict`; move it away, or name another file")
        with self.path.open("ab") as file:
            file.truncate(kept)
        if not kept:
            self._append({"settings": known})

    def append(self, row: Mapping[str, Any]) -> None:
        """Keep the row of another image.

        Raises:
            OSError: It cannot be written.
        """
        self._append(row)
        self.failed += bool(row.get("error"))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read all rows, one by one."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def remove(self) -> None:
        """Forget the rows, as the file is written."""
        self.path.unlink()

    def _append(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        try:
            with self.path.open("ab") as file:
                file.write(line)
        except OSError as error:
            error.filename = str(self.path)  # a write that fails does not say where
            raise

    def _count(self, row: dict[str, Any]) -> None:
        self.done.add(row["image"])
        self.failed += bool(row.get("error"))

    def _check(self, out: Path, content: dict[str, Any], known: Mapping[str, Any]) -> None:
        before = content.get("settings")
        if not isinstance(before, dict):
            raise InputError(f"{self.path} is not of `counterpoise predict`; move it away, or name another file")
        if changed := [name for name in {**before, **known} if before.get(name) != known.get(name)]:
            raise InputError(
                f"{self.path} holds rows of an interrupted run with another {', '.join(changed)}; run the command "
                f"as it was then, name another file than {out}, or remove {self.path} to start again"
            )


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Read a line; of a damaged one, nothing."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    whole = line.endswith(b"\n") and isinstance(content, dict) and ("image" in content or "settings" in content)
    return content if whole else None


@contextmanager
def opened(out: Path, settings: Mapping[str, Any]) -> Iterator[Journal]:
    """Open the rows for a file, and keep other runs away from it.

    Raises:
        InputError: The file exists, another run is writing it, or the rows there were made with other settings.
        OSError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout  # few commands need it

    _refuse_existing(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out.with_name(f"{out.name}{SUFFIX}.lock"), blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"another run is writing {out}; wait for it, or name another file") from error
    try:
        _refuse_existing(out)  # it may have been finished meanwhile
        yield Journal(out, settings)
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out} already exists, and is left unchanged; name another file, or move it away")
