"""The graph of a model for classes of images: from tiles to logits, averaged over its members and views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterpoise import images
from counterpoise.artifacts import model
from counterpoise.decision import rules
from counterpoise.deployment import onnx_check, predictor
from counterpoise.deployment.built import Built
from counterpoise.deployment.onnx_check import Check, Floats
from counterpoise.detection.inference import VIEWS
from counterpoise.networks.backbones import normalisation, normalise
from counterpoise.networks.ensembling import Averaged, average
from counterpoise.networks.network import rebuild

OUTPUTS = ("logits",)
BATCHES = True
RESIZE = (
    "a tile is stretched to size_px x size_px by antialiased bicubic interpolation (Pillow's BICUBIC); an image of "
    "more than tile.size_px is cut into tiles first, whose logits are aggregated"
)
TILES = 128
"""Tiles of validation that are compared; fewer where each is looked at several times."""
LEAST_TILES = 16
AT_ONCE = 16


class Views(nn.Module):
    """The average over networks and views, as `ensembling.Averaged` computes it, of operations that ONNX has."""

    def __init__(self, networks: Sequence[nn.Module], tta: str, how: str, task: str) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.views, self.how, self.task = VIEWS[tta], how, task

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images to logits (n, c)."""
        logits = []
        for sides, transposed in self.views:
            turned = inputs.transpose(-1, -2) if transposed else inputs
            turned = turned.flip(sides) if sides else turned  # ONNX has no flip along no axis
            logits += [network(turned) for network in self.networks]
        return average(logits, self.how, self.task)


def refuses(of: Built) -> str:
    """Say why a model cannot be exported: every one for classes can."""
    return ""


def network(of: Built) -> nn.Module:
    """Build what is exported."""
    predict = of.content["predict"]
    return Views(list(_by_torch(of).networks), predict["tta"], predict["average"], of.card.task)


def example(of: Built) -> Tensor:
    """Make images to trace the network with."""
    return torch.zeros(2, 3, of.card.input_px, of.card.input_px)


def check(of: Built, session: Any) -> Check:  # noqa: ANN401 - a session of onnxruntime, which has no types
    """Compare a graph with PyTorch on tiles of validation.

    Raises:
        InputError: They differ.
    """
    by_torch = _by_torch(of).eval()
    looks = len(VIEWS[of.content["predict"]["tta"]]) * of.card.members
    pictures = onnx_check.pictures(of, max(LEAST_TILES, TILES // looks))
    mean_std = normalisation(of.card.backbone)
    ours, theirs = [], []
    for start in range(0, len(pictures), AT_ONCE):
        squares = [images.resize(picture, of.card.input_px) for picture in pictures[start : start + AT_ONCE]]
        batch = normalise(torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2), *mean_std)
        with torch.inference_mode():
            ours.append(by_torch(batch).double().numpy())
        theirs.append(session.run(None, {"images": batch.contiguous().numpy()})[0].astype(np.float64))

    def decide(logits: Floats) -> Any:  # noqa: ANN401
        return rules.decided(of.decision, rules.probabilities(of.decision, logits))

    return onnx_check.compare(np.concatenate(ours), np.concatenate(theirs), decide)


def _by_torch(of: Built) -> Averaged:
    members = [rebuild(of.card, model.read_weights(of.root, member)) for member in range(of.card.members)]
    return predictor.whole(of.card, members, of.content, None)
