"""Predictions of a trained model for new images: decided classes and calibrated probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from counterpoise import images
from counterpoise.artifacts import decision, model
from counterpoise.config import InputError
from counterpoise.dataset import aggregation, inputs, tiling
from counterpoise.decision import rules
from counterpoise.images import samples
from counterpoise.networks import devices, ensembling, inference, tta
from counterpoise.networks.backbones import build_backbone, normalisation, normalise
from counterpoise.networks.network import Network, rebuild


@dataclass(frozen=True)
class Answer:
    """The prediction for one image.

    Attributes:
        image: Path of the image, as the user wrote it.
        ranked: Class names with their probabilities at the target prior, the most probable first.
        decided: Classes that the decision rule chooses: exactly one for multiclass, any number for multilabel.
    """

    image: str
    ranked: tuple[tuple[str, float], ...]
    decided: tuple[str, ...]
    error: str = ""


def answer(root: Path, paths: Sequence[Path], content: Mapping[str, Any], top: int) -> list[Answer]:
    """Predict and decide new images with the tiles, the model and the rule of the pipeline.

    Args:
        root: A repository in which the pipeline has run.
        paths: Image files.
        content: Checked parameters of the repository; `tile`, `predict`, `model` and `seed` are used.
        top: Number of classes to list for each image.

    Returns:
        One answer per image, in the order of `paths`.

    Raises:
        InputError: An image cannot be read.
        ArtifactError: No model has been trained yet.
    """
    decided = decision.read(root)
    rows = logits(root, paths, content)
    return [
        Answer(str(path), (), (), str(row)) if isinstance(row, InputError) else _answer(str(path), row, decided, top)
        for path, row in zip(paths, rows, strict=True)
    ]


def logits(root: Path, paths: Sequence[Path], content: Mapping[str, Any]) -> list[NDArray[np.float32] | InputError]:
    """Predict images as the pipeline does, cut into the same tiles, and fold them.

    Args:
        root: A repository in which a model has been trained.
        paths: Image files.
        content: Checked parameters of the repository, as in `answer`.

    Returns:
        For each image, in their order, (1, c) raw logits, or why it cannot be read.

    Raises:
        InputError: An image cannot be read.
        ArtifactError: No model has been trained yet.
    """
    card = model.read_card(root)
    members = [rebuild(card, model.read_weights(root, member)) for member in range(card.members)]
    compute = devices.pick(content["model"]["device"], content["model"]["precision"])
    network = _whole(card, members, content, compute)
    rows: list[NDArray[np.float32] | InputError] = []
    for path in paths:
        try:
            of_tiles = inference.outputs(network, _tiles(path, card, content), compute).numpy()
        except InputError as error:
            rows.append(error)
        else:
            rows.append(
                aggregation.aggregate(
                    of_tiles, np.zeros(len(of_tiles), dtype=np.int64), content["predict"]["aggregate"]
                )
            )
    return rows


def _whole(
    card: model.Card, members: Sequence[nn.Module], content: Mapping[str, Any], compute: devices.Compute
) -> nn.Module:
    """Combine the members into one network that averages over members and views. A frozen backbone is shared."""
    how, views = content["predict"]["average"], tta.VIEWS[content["predict"]["tta"]]
    if card.frozen:
        heads = ensembling.Averaged(members, tta.VIEWS["none"], how, card.task)
        backbone = build_backbone(card.backbone, card.backbone_weights, content["seed"], card.pool)
        members = [Network(inference.freeze(backbone, card.backbone, card.input_px, compute), heads)]
    return ensembling.Averaged(members, views, how, card.task)


def _tiles(path: Path, card: model.Card, content: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    """Yield the tiles of an image as float32 (b, 3, s, s), normalised, at most `predict.batch_size` at a time."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
            raise InputError(f"{path}: not a regular file")
        with samples.room_for(path):
            image = images.decode(path.read_bytes(), card.pixels)
    except OSError as error:
        raise InputError(f"{path}: the image cannot be read: {error.strerror}") from error
    except images.ImageError as error:
        raise InputError(f"{path}: {error}") from error
    height, width = image.shape[:2]
    windows = tiling.windows(width, height, content["tile"]["size_px"], content["tile"]["overlap_px"])
    for numbers in inputs.in_order(len(windows), content["predict"]["batch_size"]):
        cut = (windows[number] for number in numbers)
        tiles = [images.resize(image[y0:y1, x0:x1], card.input_px) for x0, y0, x1, y1 in cut]
        yield normalise(torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2), *normalisation(card.backbone))


def _answer(image: str, logits: NDArray[np.float32], decided: decision.Decision, top: int) -> Answer:
    probs = rules.probabilities(decided, logits)
    is_decided = rules.decided(decided, probs)[0]
    order = np.argsort(-probs[0], kind="stable")
    ranked = tuple((decided.classes[index], float(probs[0, index])) for index in order[:top])
    return Answer(image, ranked, tuple(decided.classes[index] for index in order if is_decided[index]))
