"""A way to read labels, and how many entries of a file are looked at to find one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SOME = 200
"""Entries of a file of labels that are looked at."""


@dataclass(frozen=True)
class Candidate:
    """A way to read the labels.

    Attributes:
        source: `ingest.source`.
        file: What holds the labels, in words.
        block: Parameters of the source that differ from their usual values.
        task: What the labels seem to mean.
        root: Where `ingest.root` lies below the folder; empty for the folder itself.
        notes: Key of `block` -> why it was chosen.
        doubts: What a person should check.
    """

    source: str
    file: str
    block: dict[str, Any]
    task: str
    root: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
