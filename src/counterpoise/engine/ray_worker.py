"""What a task of the Ray cluster does in a process of some node."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import os
import pickle
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import counterpoise
from counterpoise.config import InputError
from counterpoise.engine import mirror
from counterpoise.engine.store import VARIABLE, File, Store
from counterpoise.storage import ArtifactError

PACKAGES = (
    *("albumentations", "counterpoise", "imagecodecs", "numpy", "onnxruntime", "opencv-python-headless", "pandas"),
    *("pillow", "scikit-learn", "scipy", "tifffile", "timm", "torch", "torchvision"),
)
"""Packages that decide results."""
RESULTS_BYTES = 8 * 2**20
"""Results are sent in parcels of about this size, since each parcel costs the driver a millisecond."""
_functions: dict[str, Any] = {}
"""The last function that this process computed, with what it keeps: a network takes seconds to build."""


@dataclass(frozen=True)
class Setup:
    """What a process must know before it computes.

    Attributes:
        function: Its name, and the function, pickled.
        root: The repository on the machine of the driver.
        token: A file below it, which shows that the node sees the same folder; empty where there is a store.
        store: URL of the store from which files are fetched; empty where nodes see the repository.
        main: The module that runs as `__main__` where the function comes from.
        versions: What is installed there.
        cpus: How many CPUs a task may use.
    """

    function: tuple[str, bytes]
    root: str
    token: str
    store: str
    main: str
    versions: dict[str, str]
    cpus: int


class _Pickler(pickle.Pickler):
    """Pickle paths in the repository by what follows it, since it may be elsewhere in another process."""

    def __init__(self, file: io.BytesIO, root: Path) -> None:
        super().__init__(file, protocol=5)
        self._root = root

    def persistent_id(self, obj: object) -> str | None:
        return str(obj.relative_to(self._root)) if isinstance(obj, Path) and obj.is_relative_to(self._root) else None


def pickled(content: object, root: Path) -> bytes:
    """Pickle work, or a function, for a process that has the repository at another place."""
    file = io.BytesIO()
    _Pickler(file, root).dump(content)
    return file.getvalue()


class _Unpickler(pickle.Unpickler):
    """Find what was pickled in a module that ran as `__main__`, which in this process has its usual name."""

    def __init__(self, content: bytes, setup: Setup) -> None:
        super().__init__(io.BytesIO(content))
        self._main, self._root = setup.main, _mirror().root if setup.store else Path(setup.root)

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - any class or function
        return super().find_class(self._main if module == "__main__" else module, name)

    def persistent_load(self, pid: str) -> Path:
        return self._root / pid


@cache
def _mirror() -> mirror.Mirror:
    """Make the folder in which this process finds the repository."""
    return mirror.Mirror(mirror.folder())


@cache
def _store(url: str, node: str) -> Store:
    """Open a store once."""
    return Store(url, f"node {node}")


def versions() -> dict[str, str]:
    """Return the versions of all that decides results, and a hash of this package's code."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    folder, digest = Path(counterpoise.__file__).parent, hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found | {"code of counterpoise": digest.hexdigest()[:12]}


def compute(setup: Setup, work: bytes, node: str) -> Iterator[bytes]:
    """Do a portion of work.

    Args:
        setup: What it needs.
        work: The portion and the files that it reads, pickled.
        node: The address of this node, for messages.

    Yields:
        Pickled parcels: lists of results; in place of the last one the error, where the user can solve it.
    """
    results: list[Any] = []
    size = 0
    try:
        with placed(node), contextlib.redirect_stderr(io.StringIO()):
            function = _functions.get(setup.function[0]) or opened(setup, node)
            portion, files = _Unpickler(work, setup).load()
            _fetch(setup, files, node)
            for result in function(portion):
                results.append(pickle.dumps(result, protocol=5))
                size += len(results[-1])
                if size >= RESULTS_BYTES:
                    yield pickle.dumps(results)
                    results, size = [], 0
    except (InputError, ArtifactError, OSError) as error:
        yield pickle.dumps(error)
        return
    yield pickle.dumps(results)


@contextlib.contextmanager
def placed(node: str) -> Iterator[None]:
    """Let an error of the operating system say on which node it happened, in a form that can be pickled."""
    try:
        yield
    except OSError as error:
        name = f"{error.filename or 'a file'} on node {node}"
        raise type(error)(error.errno, error.strerror, name) from None


def opened(setup: Setup, node: str) -> Any:  # noqa: ANN401 - a function
    """Check that this process computes what the driver would compute, and unpickle the function.

    Raises:
        InputError: It has other packages, or does not see the repository.
    """
    own = versions()
    if own != setup.versions:
        differing = [
            f"{name} {own.get(name, 'is missing')} instead of {setup.versions.get(name, 'none')}"
            for name in sorted({*own, *setup.versions})
            if own.get(name) != setup.versions.get(name)
        ]
        raise InputError(
            f"node {node} has other packages than this machine: {', '.join(differing)}; install the same on all nodes, "
            "and start Ray there again"
        )
    if setup.token and not (Path(setup.root) / setup.token).is_file():
        raise InputError(
            f"node {node} does not see the folder {setup.root} of this machine; all nodes need the repository on a "
            f"shared file system, under the same path, or a store: set {VARIABLE}"
        )
    os.chdir(_mirror().root if setup.store else setup.root)
    os.environ["COUNTERPOISE_CPUS"] = str(setup.cpus)
    _functions.clear()
    _functions[setup.function[0]] = function = _Unpickler(setup.function[1], setup).load()
    return function


def _fetch(setup: Setup, files: Sequence[File], node: str) -> None:
    """Fetch what a portion reads, where there is a store."""
    if setup.store:
        _mirror().show(files, _store(setup.store, node))
