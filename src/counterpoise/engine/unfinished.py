"""Interrupted work: where its finished part is kept, so that the next run continues from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage

FOLDER = ".checkpoints"
CODE = Path(__file__).parents[1]


def place(root: Path, stage: str, parameters: object, inputs: Iterable[Path]) -> Path:
    """Name a folder for unfinished work, which is no DVC output (DVC deletes outputs before it reruns a stage).

    Its name is a hash of all that the work depends on: after a change of inputs, parameters, code or libraries, work
    starts from the beginning.

    Args:
        root: The repository.
        stage: Whose work it is.
        parameters: What else decides the result.
        inputs: Files and folders below `root`, which are compared by size and time of change.
    """
    stamps = []
    for path in inputs:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            status = file.stat()
            stamps.append([file.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns])
    code = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(CODE.rglob("*.py")))).hexdigest()
    libraries = [metadata.version(name) for name in ("torch", "onnxruntime", "numpy")]
    key = json.dumps([libraries, code, parameters, stamps], sort_keys=True, default=str)
    return root / FOLDER / f"{stage}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def remove(folder: Path) -> None:
    """Forget what was kept in a folder, as the work is done."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other unfinished work may lie beside it
        folder.parent.rmdir()


def remove_all(root: Path, stage: str) -> None:
    """Forget all unfinished work of a stage, with other parameters too."""
    for folder in (root / FOLDER).glob(f"{stage}-*"):
        remove(folder)


class Rows:
    """Rows of an array, computed batch by batch; each batch is written to a file at once.

    A line of the log beside the file tells, for each batch, its shape and its checksum. Whatever a kill or a power cut
    left after the last intact batch is dropped.
    """

    def __init__(self, folder: Path) -> None:
        self._values, self._log = folder / "values", folder / "log"
        folder.mkdir(parents=True, exist_ok=True)
        for path in (self._values, self._log):
            path.touch()
        self._shapes: list[list[int]] = []
        intact = []
        with self._values.open("r+b") as values:
            for line in self._log.read_bytes().splitlines(keepends=True):
                shape, checksum = _parsed(line)
                data = values.read(4 * int(np.prod(shape)))
                if not shape or storage.checksum(data) != checksum:
                    break
                self._shapes.append(shape)
                intact.append(line)
            values.truncate(4 * sum(int(np.prod(shape)) for shape in self._shapes))
        self._log.write_bytes(b"".join(intact))

    @property
    def batches(self) -> int:
        """Number of batches that are kept."""
        return len(self._shapes)

    @property
    def count(self) -> int:
        """Number of rows that are kept."""
        return sum(shape[0] for shape in self._shapes)

    def append(self, rows: NDArray[np.float32]) -> None:
        """Keep another batch, float32 (b, ...)."""
        data = np.ascontiguousarray(rows).tobytes()
        line = json.dumps([list(rows.shape), storage.checksum(data)]) + "\n"
        for path, content in ((self._values, data), (self._log, line.encode())):
            try:
                with path.open("ab") as file:
                    file.write(content)
            except OSError as error:
                error.filename = str(path)  # a write that fails does not say where
                raise
        self._shapes.append(list(rows.shape))

    def read(self) -> NDArray[np.float32]:
        """Map all rows into memory, float32 (n, ...)."""
        if not self._values.stat().st_size:  # nothing can be mapped
            return np.empty((self.count, *self._shapes[0][1:]) if self._shapes else 0, dtype=np.float32)
        values: NDArray[np.float32] = np.memmap(self._values, dtype=np.float32, mode="r")
        return values.reshape(self.count, *self._shapes[0][1:])


def _parsed(line: bytes) -> tuple[list[int], str]:
    """Read a line of the log; a damaged one has no shape."""
    try:
        shape, checksum = json.loads(line)
        if line.endswith(b"\n") and all(type(size) is int and size >= 0 for size in shape):
            return shape, checksum
    except (ValueError, TypeError):
        pass
    return [], ""
