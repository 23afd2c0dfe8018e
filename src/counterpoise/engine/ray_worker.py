"""What a task of the Ray cluster does in a process of some node."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import os
import pickle
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import counterpoise
from counterpoise.config import InputError
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
        root: The repository.
        token: A file below it, which shows that the node sees the same folder.
        main: The module that runs as `__main__` where the function comes from.
        versions: What is installed there.
        cpus: How many CPUs a task may use.
    """

    function: tuple[str, bytes]
    root: str
    token: str
    main: str
    versions: dict[str, str]
    cpus: int


class _Unpickler(pickle.Unpickler):
    """Find what was pickled in a module that ran as `__main__`, which in this process has its usual name."""

    def __init__(self, content: bytes, main: str) -> None:
        super().__init__(io.BytesIO(content))
        self._main = main

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - any class or function
        return super().find_class(self._main if module == "__main__" else module, name)


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
        work: The portion, pickled.
        node: The address of this node, for messages.

    Yields:
        Pickled parcels: lists of results; in place of the last one the error, where the user can solve it.
    """
    results: list[Any] = []
    size = 0
    try:
        with placed(node), contextlib.redirect_stderr(io.StringIO()):
            function = _functions.get(setup.function[0]) or opened(setup, node)
            for result in function(_Unpickler(work, setup.main).load()):
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
    if not (Path(setup.root) / setup.token).is_file():
        raise InputError(
            f"node {node} does not see the folder {setup.root} of this machine; all nodes need the repository on a "
            "shared file system, under the same path"
        )
    os.chdir(setup.root)
    os.environ["COUNTERPOISE_CPUS"] = str(setup.cpus)
    _functions.clear()
    _functions[setup.function[0]] = function = _Unpickler(setup.function[1], setup.main).load()
    return function
