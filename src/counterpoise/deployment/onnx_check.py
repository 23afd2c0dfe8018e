"""Whether an exported graph says what PyTorch says, on real images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise import images
from counterpoise.artifacts import tiles
from counterpoise.config import InputError
from counterpoise.deployment.built import Built

TOLERANCE = 1e-4
"""Largest difference of logits, or of the scores of boxes."""
Floats = NDArray[np.float64]
Decide = Callable[[Floats], NDArray[np.bool_]]
"""From logits (n, c) to decisions (n, c)."""


@dataclass(frozen=True)
class Check:
    """How a graph compares with PyTorch on tiles of validation.

    Attributes:
        tiles: How many were compared.
        rows: Decisions that were compared: one for each tile, or for each box.
        tolerance: Largest difference that is allowed.
        largest_difference: Of logits; of boxes, of their scores.
        near: Rows whose decision a change of the tolerance can turn.
        decided_otherwise: Rows of which PyTorch decides otherwise; all of them are near.
        lost: Boxes that one of the two finds alone.
    """

    tiles: int
    rows: int
    tolerance: float
    largest_difference: float
    near: int
    decided_otherwise: int
    lost: int = 0


def pictures(of: Built, most: int) -> list[images.RGB]:
    """Decode tiles of validation, evenly spaced, at most `most`.

    Raises:
        ArtifactError: The tiles are not there.
    """
    part = tiles.read(of.root, "val")
    rows = sorted(set(np.linspace(0, len(part.table) - 1, most).astype(int).tolist())) if len(part.table) else []
    return [images.decode(part.load(row)) for row in rows]


def compare(of_torch: Floats, of_graph: Floats, decide: Decide) -> Check:
    """Compare logits (n, c), and the decisions that follow from them.

    A decision is near its margin if raising the logit of a class by the tolerance, and lowering all others by it, can
    change it.

    Raises:
        InputError: A logit differs by more than the tolerance, or a decision that is not near its margin differs.

    Example:
        >>> zeros = np.zeros((1, 2))
        >>> compare(zeros, zeros + 1e-6, lambda logits: logits > 5e-5).near
        1
    """
    difference = float(np.abs(of_torch - of_graph).max(initial=0.0))
    expected = decide(of_torch)
    near = np.zeros(len(of_torch), dtype=np.bool_)
    for column in range(of_torch.shape[1]):
        step = np.full(of_torch.shape[1], -TOLERANCE)
        step[column] = TOLERANCE
        near |= (decide(of_torch + step) != expected).any(axis=1)
    otherwise = (decide(of_graph) != expected).any(axis=1)
    stop_if_different(difference, int((otherwise & ~near).sum()))
    count = len(of_torch)
    return Check(count, count, TOLERANCE, difference, int(near.sum()), int(otherwise.sum()))


def stop_if_different(difference: float, decided_otherwise: int) -> None:
    """Refuse a graph that does not say what PyTorch says.

    Raises:
        InputError: It differs by more than the tolerance, or decides otherwise.
    """
    if not difference <= TOLERANCE or decided_otherwise:
        raise InputError(
            f"this model cannot be exported: on tiles of validation its graph differs from PyTorch by {difference:.1e} "
            f"(at most {TOLERANCE:.0e} is allowed), and decides {decided_otherwise} of them otherwise"
        )
