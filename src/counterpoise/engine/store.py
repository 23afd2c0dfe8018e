"""A store of files, at any URL of fsspec, through which nodes read a repository that they do not see.

The environment variable `COUNTERPOISE_STORE` names it. A file is an object whose name is the checksum of its content,
so that a second run uploads nothing, and nothing is ever overwritten by something else.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from pathlib import Path

from counterpoise.config import InputError
from counterpoise.storage import checksum_of

STORE = "COUNTERPOISE_STORE"
"""Variable of the environment with the URL of the store."""
THREADS = 16
"""Objects that are sent or fetched at a time."""
REMEMBERED = 2**16
"""Files of which a store remembers that they were sent."""
NO_SUCH = "it does not exist; create the bucket or the folder, or correct the URL"
DENIED = (
    "permission denied; give access by what fsspec reads, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, on all "
    "machines before `ray start`"
)
SILENT = "check the network, and the address (for S3 elsewhere than at AWS, AWS_ENDPOINT_URL)"


@dataclass(frozen=True)
class File:
    """A file of the repository.

    Attributes:
        name: Its path below the repository.
        checksum: XXH3 of its content.
        nbytes: Its size.
    """

    name: str
    checksum: str
    nbytes: int


class Store:
    """The objects below a URL.

    Args:
        url: As fsspec reads it, such as `s3://bucket/prefix`.
        machine: The machine that uses it, for messages.

    Raises:
        InputError: It is no URL, or the package that speaks to such a store is missing.
    """

    def __init__(self, url: str, machine: str = "this machine") -> None:
        self.url, self._machine = url.rstrip("/"), machine
        self._sent = lru_cache(REMEMBERED)(self._send)
        if "://" not in url:
            raise InputError(f"{STORE} is {url!r}; expected a URL, such as s3://bucket/prefix or file:///folder")
        import fsspec

        try:
            self._is_folder = url.startswith(("file:", "local:"))
            options = {"auto_mkdir": True} if self._is_folder else {}
            self._fs, self._path = fsspec.core.url_to_fs(self.url, **options)
        except ImportError as error:
            raise InputError(
                f"{STORE} is {url!r}, but {machine} lacks a package for it: {error}; for S3, run "
                "`pip install 'counterpoise[s3]'` on all machines"
            ) from error
        except ValueError as error:
            raise InputError(f"{STORE} is {url!r}, but {error}; expected a URL that fsspec knows") from error

    def put(self, root: Path, paths: Iterable[Path]) -> list[File]:
        """Send files that the store lacks.

        Args:
            root: The repository.
            paths: Files below it. Those that do not exist are left out: their reader says what to do.

        Raises:
            InputError: The store does not exist, does not answer, or refuses.
        """
        with ThreadPoolExecutor(THREADS) as pool:
            listed = sorted({path for path in paths if path.is_file()})
            stats = [path.stat() for path in listed]
            sizes, times = [status.st_size for status in stats], [status.st_mtime_ns for status in stats]
            return list(pool.map(self._sent, repeat(root), listed, sizes, times))

    def _send(self, root: Path, path: Path, nbytes: int, mtime_ns: int) -> File:
        """Send a file, once as long as its size and its time of change stay the same."""
        file = File(path.relative_to(root).as_posix(), checksum_of(path), nbytes)
        with self._in_words(self.url):
            if not self._holds(file):
                self._put(path, self._object(file))
        return file

    def _put(self, path: Path, name: str) -> None:
        """Send a file whole: a bucket shows no part of an object, but a folder does while it is written."""
        if not self._is_folder:
            self._fs.put_file(str(path), name)
            return
        part = f"{name}.{uuid.uuid4().hex}.part"
        try:
            self._fs.put_file(str(path), part)
            self._fs.mv(part, name)
        finally:
            if self._fs.exists(part):
                self._fs.rm_file(part)

    def get(self, file: File, path: Path) -> None:
        """Fetch a file to a path.

        Raises:
            InputError: The store does not answer, refuses, or does not have it undamaged.
            OSError: It cannot be written.
        """
        with self._in_words(str(path.parent)):
            try:
                self._fs.get_file(self._object(file), str(path))
            except FileNotFoundError as error:
                raise InputError(
                    f"{self._machine} does not find {file.name} in {STORE}, {self.url!r}: there is no object "
                    f"{self._name(file)}; was it removed, or is it another place there? Run it again, which sends it "
                    "again"
                ) from error
        if path.stat().st_size != file.nbytes or checksum_of(path) != file.checksum:
            raise InputError(
                f"{file.name}, as {self._machine} fetched it from {STORE}, {self.url!r}, is damaged; remove the "
                f"object {self._name(file)} there, and run it again, which sends it again"
            )

    def _name(self, file: File) -> str:
        return f"{file.checksum[:2]}/{file.checksum}"

    def _object(self, file: File) -> str:
        return f"{self._path}/{self._name(file)}"

    def _holds(self, file: File) -> bool:
        """Say whether an object is there; one that was half sent to a folder has another size."""
        try:
            return int(self._fs.info(self._object(file))["size"]) == file.nbytes
        except FileNotFoundError:
            return False

    @contextmanager
    def _in_words(self, written: str) -> Iterator[None]:
        """Turn what the packages of stores raise, each its own kinds, into a message that says what is `written`."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                error.filename = written
                raise
            kind, said = type(error).__name__, " ".join(str(error).split())
            if isinstance(error, FileNotFoundError):
                advice = NO_SUCH
            elif isinstance(error, PermissionError) or "Credentials" in kind:
                advice = DENIED
            else:
                advice = SILENT
            raise InputError(f"{self._machine} cannot use {STORE}, {self.url!r}: {kind}: {said}; {advice}") from error


def of_environment() -> Store | None:
    """Return the store that the environment names; `None` without one, where all nodes see the repository.

    Raises:
        InputError: The environment names none that can be used.
    """
    url = os.environ.get(STORE)
    return Store(url) if url else None
