"""Unlabelled images as a classifier sees them: what it says of each, and its features, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterpoise import images
from counterpoise.artifacts import decision as decision_file
from counterpoise.artifacts import model
from counterpoise.dataset import aggregation, inputs, tiling
from counterpoise.decision import rules
from counterpoise.images import RGB, samples
from counterpoise.labelling.candidates import Candidate, File, Say
from counterpoise.networks import devices, ensembling, inference, tta
from counterpoise.networks.backbones import build_backbone, normalisation, normalise
from counterpoise.networks.network import Network, rebuild


class LogitsAndFeatures(nn.Module):
    """The average of networks over views as `ensembling.Averaged`, beside the first one's features of the plain view.

    Args:
        networks: At least one.
        views: The plain view first.
        how: What is averaged.
        task: What logits mean.
    """

    def __init__(self, networks: Sequence[Network], views: Sequence[tta.View], how: str, task: str) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.views = tuple(views)
        self.how = how
        self.task = task

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (n, 3, s, s) to (n, c + d): logits, then features."""
        logits, features = [], []
        for view in self.views:
            for network in self.networks:
                features.append(network.backbone(view(pictures)))  # type: ignore[operator]
                logits.append(network.head(features[-1]))  # type: ignore[operator]
        return torch.cat([ensembling.average(logits, self.how, self.task), features[0].float()], dim=1)


def read(root: Path, content: Mapping[str, Any], files: Iterable[File], label: str, say: Say) -> Iterator[Candidate]:
    """Describe unlabelled images with the tiles and the model of the pipeline.

    Their worth is the squared probability of the class, calibrated and at the prior of deployment.

    Args:
        root: A repository in which the pipeline has run.
        content: Its checked parameters; `tile`, `predict`, `model` and `seed` are used.
        files: Unlabelled images.
        label: The class.
        say: Told of each image that cannot be read.

    Yields:
        The images that can be read.
    """
    card, decided = model.read_card(root), decision_file.read(root)
    column, count = decided.classes.index(label), len(decided.classes)
    compute = devices.pick(content["model"]["device"], content["model"]["precision"])
    network = _network(root, card, content, compute)
    for file in files:
        try:
            with samples.room_for(file.path):
                image = images.decode(file.path.read_bytes(), card.pixels)
        except (OSError, images.ImageError) as error:
            say(f"{file.path}: {error.strerror if isinstance(error, OSError) else error}")
            continue
        found = inference.outputs(network, _tiles(image, card, content), compute).numpy()
        of_image = np.zeros(len(found), dtype=np.int64)
        logits = aggregation.aggregate(found[:, :count], of_image, content["predict"]["aggregate"])
        probs = rules.probabilities(decided, logits)
        names = [name for name, own in zip(decided.classes, rules.decided(decided, probs)[0], strict=True) if own]
        prob = float(probs[0, column])
        yield Candidate(
            path=file.path,
            sha256=file.sha256,
            worth=prob**2,
            prob=prob,
            decided=tuple(names),
            features=found[:, count:].mean(axis=0),
            thumbnail=images.thumbnail(image),
        )


def _network(root: Path, card: model.Card, content: Mapping[str, Any], compute: devices.Compute) -> nn.Module:
    members = [rebuild(card, model.read_weights(root, member)) for member in range(card.members)]
    how, views = content["predict"]["average"], tta.VIEWS[content["predict"]["tta"]]
    if card.frozen:
        heads = ensembling.Averaged(members, tta.VIEWS["none"], how, card.task)
        backbone = build_backbone(card.backbone, card.backbone_weights, content["seed"], card.pool)
        members = [Network(inference.freeze(backbone, card.backbone, card.input_px, compute), heads)]
    return LogitsAndFeatures([member for member in members if isinstance(member, Network)], views, how, card.task)


def _tiles(image: RGB, card: model.Card, content: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the tiles of an image as float32 (b, 3, s, s), normalised, at most `predict.batch_size` at a time."""
    height, width = image.shape[:2]
    windows = tiling.windows(width, height, content["tile"]["size_px"], content["tile"]["overlap_px"])
    for numbers in inputs.in_order(len(windows), content["predict"]["batch_size"]):
        cut = (windows[number] for number in numbers)
        tiles = [images.resize(image[y0:y1, x0:x1], card.input_px) for x0, y0, x1, y1 in cut]
        yield normalise(torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2), *normalisation(card.backbone))
