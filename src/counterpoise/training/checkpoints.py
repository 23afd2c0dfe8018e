"""Checkpoints of an unfinished training, so that an interrupted training can resume."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import xxhash

from counterpoise import storage
from counterpoise.engine import unfinished

SUM_BYTES = xxhash.xxh3_128().digest_size


class Checkpoint:
    """The state of one training, in a file.

    The file is not a DVC output, because DVC deletes outputs before it reruns a stage. Its folder is named by a hash of
    everything that the training depends on. If inputs, parameters or code change, training starts from the beginning.
    Another number of processes goes on, since all of them have the same state after an epoch.
    """

    def __init__(self, root: Path, parameters: object, inputs: list[Path]) -> None:
        self.path = unfinished.place(root, "train", parameters, inputs) / "state.pt"

    def load(self) -> dict[str, Any] | None:
        """Load the last state to the CPU; `None` if there is none."""
        if not self.path.exists():
            return None
        if not _is_intact(self.path):
            aside = self.path.with_name("damaged.pt")
            self.path.replace(aside)
            print(
                f"WARNING: {self.path} is damaged, as a power cut may leave it, or no checkpoint of this training; the "
                f"training starts from the beginning, and the file is kept as {aside.name} until it has ended",
                file=sys.stderr,
            )
            return None
        state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Save a state in place of the last one."""
        with storage.replacing(self.path) as temporary:
            torch.save(state, temporary)
            digest = bytes.fromhex(storage.checksum_of(temporary))
            with temporary.open("ab") as file:
                file.write(digest)

    def remove(self) -> None:
        """Forget the training, which is done."""
        unfinished.remove(self.path.parent)


def _is_intact(path: Path) -> bool:
    """Compare the last bytes of a file with the checksum of the others."""
    digest, left = xxhash.xxh3_128(), path.stat().st_size - SUM_BYTES
    with path.open("rb") as file:
        while left > 0 and (data := file.read(min(left, 2**20))):
            digest.update(data)
            left -= len(data)
        return left == 0 and file.read() == digest.digest()
