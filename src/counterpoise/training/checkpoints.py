"""Checkpoints of an unfinished training, so that an interrupted training can resume."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from counterpoise import storage
from counterpoise.engine import process_group

FOLDER = ".checkpoints"
CODE = Path(__file__).parents[1]


class Checkpoint:
    """The state of one training, in a file.

    The file is not a DVC output, because DVC deletes outputs before it reruns a stage. Its folder is named by a hash of
    everything that the training depends on. If inputs, parameters, code or the number of processes change, training
    starts from the beginning.
    """

    def __init__(self, root: Path, parameters: object, inputs: list[Path]) -> None:
        stamps = []
        for path in inputs:
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                status = file.stat()
                stamps.append([file.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns])
        code = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(CODE.rglob("*.py")))).hexdigest()
        key = json.dumps(
            [torch.__version__, code, parameters, stamps, process_group.count()], sort_keys=True, default=str
        )
        self.path = root / FOLDER / hashlib.sha256(key.encode()).hexdigest()[:16] / "state.pt"

    def load(self) -> dict[str, Any] | None:
        """Load the last state to the CPU; `None` if there is none."""
        if not self.path.exists():
            return None
        state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Save a state in place of the last one."""
        with storage.replacing(self.path) as temporary:
            torch.save(state, temporary)

    def remove(self) -> None:
        """Delete the state after training has finished."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
        with suppress(OSError):  # the folder may contain the state of another training
            self.path.parents[1].rmdir()
