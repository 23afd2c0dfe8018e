"""`results/params.ok`: the constant that says that `params.yaml` was checked; it changes nothing downstream."""

from __future__ import annotations

from pathlib import Path

from counterpoise import storage

PATH = "results/params.ok"


def write(root: Path) -> None:
    """Write the constant."""
    storage.write_text(root / PATH, "ok\n")
