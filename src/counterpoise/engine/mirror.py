"""The part of a repository that a process of a node needs, fetched from a store to the disk of the node.

Below the folder for temporary files, `counterpoise-<user>/objects` keeps what was fetched, for all processes of the
node, and `mirrors/<process>` has links to what a process reads now, under the paths of the repository. Objects that no
process reads go, the longest unused first, when the disk gets full. The folder may be deleted where nothing computes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from counterpoise.config import InputError
from counterpoise.engine.store import THREADS, File, Store

FREE = 0.1
"""Share of the disk that is left free, as long as there are objects to remove."""


def folder() -> Path:
    """Return this user's folder on the disk of this node.

    Raises:
        InputError: It belongs to somebody else.
    """
    place = Path(tempfile.gettempdir()) / f"counterpoise-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.lstat().st_uid != os.getuid():
        raise InputError(f"{place} belongs to another user; remove it, or set TMPDIR before `ray start`")
    return place


class Mirror:
    """Files of a repository, under a folder of this process's own, which another process removes after it has ended.

    Attributes:
        root: The folder in the place of the repository.
    """

    def __init__(self, place: Path) -> None:
        self._objects, self._locks, mirrors = (place / name for name in ("objects", "locks", "mirrors"))
        for part in (self._objects, self._locks, mirrors):
            part.mkdir(exist_ok=True)
        self._shown: dict[str, File] = {}
        with FileLock(self._locks / "mirrors"):
            for lock in mirrors.glob("*.lock"):
                _remove_if_left(lock)
            self.root = mirrors / uuid.uuid4().hex
            self._own = FileLock(self.root.with_suffix(".lock"))  # held until this process ends, however it does
            self._own.acquire()
            self.root.mkdir()

    def show(self, files: Sequence[File], store: Store) -> None:
        """Have these files, and no other ones that were shown before.

        Raises:
            InputError: The store does not give one of them.
            OSError: The disk of this node is full, or cannot be written.
        """
        wanted = {file.name: file for file in files}
        for name in [name for name, file in self._shown.items() if wanted.get(name) != file]:
            (self.root / name).unlink(missing_ok=True)
            del self._shown[name]
        missing = [file for name, file in wanted.items() if name not in self._shown]
        self._make_room(sum(file.nbytes for file in missing if not self._object(file).exists()))
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda file: self._link(file, store), missing))

    def _link(self, file: File, store: Store) -> None:
        kept, path = self._object(file), self.root / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(file.checksum):  # of processes that need the same, one fetches it
            if not kept.exists():
                part = kept.with_suffix(".part")
                try:
                    store.get(file, part)
                    with part.open("rb") as written:
                        os.fsync(written.fileno())
                except BaseException:
                    part.unlink(missing_ok=True)
                    raise
                part.replace(kept)
            os.utime(kept)
            path.hardlink_to(kept)
        self._shown[file.name] = file

    def _make_room(self, nbytes: int) -> None:
        """Remove objects until so many bytes fit and a part of the disk stays free, or no other object is unused."""
        usage = shutil.disk_usage(self._objects)
        lacking = nbytes + int(FREE * usage.total) - usage.free
        if lacking <= 0:
            return
        lacking += int(FREE * usage.total / 2)  # not to search again for the next file
        aged: list[tuple[int, Path]] = []
        for kept in self._objects.iterdir():
            with suppress(FileNotFoundError):  # another process removes objects too
                aged.append((kept.stat().st_mtime_ns, kept))
        for _, kept in sorted(aged):
            if lacking <= 0:
                return
            with suppress(Timeout, FileNotFoundError), self._locked(kept.stem, blocking=False):
                status = kept.stat()
                if status.st_nlink == 1:
                    kept.unlink()
                    lacking -= status.st_size

    def _object(self, file: File) -> Path:
        return self._objects / file.checksum

    def _locked(self, checksum: str, *, blocking: bool = True) -> FileLock:
        """Lock the objects whose names begin alike: a file for each would never be removed."""
        return FileLock(self._locks / checksum[:2], blocking=blocking)


def _remove_if_left(lock: Path) -> None:
    """Remove a mirror whose process has ended."""
    with suppress(Timeout), FileLock(lock, blocking=False):
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
