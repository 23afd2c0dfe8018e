"""Unlabelled images as a classifier sees them: what it says of each, and its features, in one pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from counterpoise import images
from counterpoise.artifacts import decision as decision_file
from counterpoise.config import InputError
from counterpoise.decision import rules
from counterpoise.deployment import predictor
from counterpoise.labelling.candidates import Candidate, File, Say
from counterpoise.networks import ensembling


class LogitsAndFeatures(nn.Module):
    """What an average of networks over views says, beside the features of the first one in the plain view.

    Args:
        averaged: Its networks are `Network`s; the plain view is its first.
    """

    def __init__(self, averaged: ensembling.Averaged) -> None:
        super().__init__()
        self.averaged = averaged

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (n, 3, s, s) to (n, c + d): logits, then features."""
        logits, features = [], []
        for view in self.averaged.views:
            for network in self.averaged.networks:
                features.append(network.backbone(view(pictures)))  # type: ignore[operator]
                logits.append(network.head(features[-1]))  # type: ignore[operator]
        mean = ensembling.average(logits, self.averaged.how, self.averaged.task)
        return torch.cat([mean, features[0].float()], dim=1)


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
    decided = decision_file.read(root)
    column, count = decided.classes.index(label), len(decided.classes)
    averaged, card, compute = predictor.built(root, content)
    ours, theirs = itertools.tee(files)
    paths = (file.path for file in theirs)
    found = predictor.outputs(LogitsAndFeatures(averaged), card, paths, content, compute, images.thumbnail)
    for file, (_, seen) in zip(ours, found, strict=True):
        if isinstance(seen, InputError):
            say(str(seen))
            continue
        of_tiles, thumbnail = seen
        probs = rules.probabilities(decided, predictor.fold(of_tiles[:, :count], content))
        names = [name for name, own in zip(decided.classes, rules.decided(decided, probs)[0], strict=True) if own]
        prob = float(probs[0, column])
        yield Candidate(
            path=file.path,
            sha256=file.sha256,
            worth=prob**2,
            prob=prob,
            decided=tuple(names),
            features=of_tiles[:, count:].mean(axis=0),
            thumbnail=thumbnail,
        )
