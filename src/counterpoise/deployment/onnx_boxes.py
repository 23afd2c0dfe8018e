"""The graph of a detector: from one tile to its boxes, after suppression and before tiles are merged."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterpoise import images
from counterpoise.artifacts import model
from counterpoise.config import InputError
from counterpoise.dataset import box_inputs
from counterpoise.decision import boxes as box_decisions
from counterpoise.deployment import onnx_check
from counterpoise.deployment.built import Built
from counterpoise.deployment.onnx_check import TOLERANCE, Check
from counterpoise.detection import building
from counterpoise.networks.backbones import normalisation, normalise

OUTPUTS = ("boxes", "scores", "labels")
BATCHES = False
RESIZE = (
    "a tile is scaled by antialiased bicubic interpolation (Pillow's BICUBIC) until its longer side is size_px, and "
    "lies in the upper left corner of a square of size_px; the rest of the normalised square is 0"
)
TILES = 32
"""Tiles of validation that are compared."""
SAME_IOU = 0.99
"""Overlap from which on two boxes are the same."""
LOST_FRAC = 0.01
"""Share of boxes that rounding may let one of the two find alone, as suppression compares scores and overlaps."""


class OneTile(nn.Module):
    """A detector for one picture, whose boxes are a tuple of tensors."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (1, 3, s, s) to boxes (k, 4), scores (k,) and labels (k,)."""
        (found,) = self.detector(pictures)
        return found.boxes, found.scores, found.labels


def refuses(of: Built) -> str:
    """Say why a detector cannot be exported; empty where no reason is known."""
    section = building.of_card(_card(of)).detector
    if of.card.members > 1:
        return (
            f"it has {of.card.members} members, whose boxes predict.merge joins after the networks; set train.members "
            "to 1, and run `dvc repro`"
        )
    if (tta := of.content["predict"]["tta"]) != "none":
        return (
            f"predict.tta is {tta!r}, and predict.merge joins the boxes of the views after the network; set "
            "predict.tta to 'none', and run `dvc repro`"
        )
    if section.anchors.kind == "guided":
        return (
            "detector.anchors.kind is 'guided', whose deformable convolution has no operator in ONNX as PyTorch writes "
            "it; set it to 'fitted', and run `dvc repro`"
        )
    if section.after_regression:
        return (
            "detector.after_regression is true, whose deformable convolution has no operator in ONNX as PyTorch writes "
            "it; set it to false, and run `dvc repro`"
        )
    return ""


def network(of: Built) -> nn.Module:
    """Build what is exported."""
    return OneTile(building.rebuild(_card(of), model.read_weights(of.root)))


def example(of: Built) -> Tensor:
    """Return a real tile to trace the detector with."""
    (picture,) = onnx_check.pictures(of, 1)
    return _input(of, picture)


def check(of: Built, session: Any) -> Check:  # noqa: ANN401 - a session of onnxruntime, which has no types
    """Compare the boxes of a graph with those of PyTorch on tiles of validation.

    Raises:
        InputError: They differ.
    """
    by_torch = network(of).eval()
    pictures = onnx_check.pictures(of, TILES)
    counts = np.zeros(4, dtype=np.int64)
    largest = 0.0
    for picture in pictures:
        inputs = _input(of, picture)
        with torch.inference_mode():
            ours = by_torch(inputs)
        theirs = tuple(map(torch.from_numpy, session.run(None, {"images": inputs.contiguous().numpy()})))
        pairs, lost = matched(ours, theirs)
        scores = np.stack([ours[1][pairs[0]].numpy(), theirs[1][pairs[1]].numpy()]).astype(np.float64)
        labels = ours[2][pairs[0]].numpy()
        largest = max(largest, float(np.abs(scores[0] - scores[1]).max(initial=0.0)))
        decided, otherwise, lower, higher = (
            _decided(of, of_scores, labels) for of_scores in (*scores, scores[0] - TOLERANCE, scores[0] + TOLERANCE)
        )
        near, differ = lower != higher, decided != otherwise
        counts += [len(labels), near.sum(), differ.sum(), lost]
        onnx_check.stop_if_different(largest, int((differ & ~near).sum()))
    rows, near_count, otherwise_count, lost_count = counts.tolist()
    if lost_count > LOST_FRAC * (rows + lost_count):
        raise InputError(
            f"this model cannot be exported: on tiles of validation its graph and PyTorch agree on {rows} boxes, but "
            f"{lost_count} are found by one of them alone"
        )
    return Check(len(pictures), rows, TOLERANCE, largest, near_count, otherwise_count, lost_count)


def matched(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> tuple[tuple[list[int], list[int]], int]:
    """Pair boxes of the same class and place; boxes, scores and labels of each side.

    Returns:
        Rows of the pairs on either side, and how many boxes have no partner.
    """
    from torchvision.ops import box_iou

    overlaps = box_iou(ours[0], theirs[0]) * (ours[2][:, None] == theirs[2][None])
    differ = (ours[1][:, None] - theirs[1][None]).abs()
    first, second = [], []
    free = torch.ones(len(theirs[1]), dtype=torch.bool)
    for row in range(len(ours[1])):
        fits = (overlaps[row] >= SAME_IOU) & free
        if fits.any():
            best = int(torch.where(fits, differ[row], torch.inf).argmin())
            free[best] = False
            first.append(row)
            second.append(best)
    return (first, second), len(ours[1]) + len(theirs[1]) - 2 * len(first)


def _decided(of: Built, scores: onnx_check.Floats, labels: Any) -> Any:  # noqa: ANN401
    assert of.decision.boxes is not None
    safe = np.clip(scores, of.content["predict"]["min_score"] / 2, 1 - 1e-7)
    return box_decisions.decided(of.decision.boxes, np.log(safe) - np.log1p(-safe), labels)


def _input(of: Built, picture: images.RGB) -> Tensor:
    """Scale a tile, and lay it into the corner of a normalised square."""
    scaled, _ = box_inputs.scaled(picture, of.card.input_px)
    values = normalise(torch.from_numpy(scaled.copy()).permute(2, 0, 1)[None], *normalisation(of.card.backbone))
    square = torch.zeros(1, 3, of.card.input_px, of.card.input_px)
    square[:, :, : scaled.shape[0], : scaled.shape[1]] = values
    return square


def _card(of: Built) -> model.DetectorCard:
    assert isinstance(of.card, model.DetectorCard)
    return of.card
