"""Predictions of a trained model for new images: decided classes and calibrated probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from counterpoise import images
from counterpoise.artifacts import decision, model
from counterpoise.config import InputError
from counterpoise.dataset import aggregation, inputs, tiling
from counterpoise.decision import rules
from counterpoise.deployment import ahead
from counterpoise.images import samples
from counterpoise.networks import devices, ensembling, inference, tta
from counterpoise.networks.backbones import build_backbone, normalisation, normalise
from counterpoise.networks.network import Network, rebuild

Tiles = NDArray[np.uint8]
"""Tiles of an image at the size that the network sees, (k, s, s, 3)."""
Beside = TypeVar("Beside")
"""What a caller keeps of a decoded image."""
ON_CPU = 16
"""Most tiles of a forward pass on a CPU: more are no faster, and take memory (64 of 160 px 450 MB more than 16)."""
AHEAD = 4
"""Batches of images that are read ahead."""


@dataclass(frozen=True)
class Answer:
    """The prediction for one image.

    Attributes:
        image: Path of the image, as the user wrote it.
        ranked: Class names with their probabilities at the target prior, the most probable first.
        decided: Classes that the decision rule chooses: exactly one for multiclass, any number for multilabel.
        error: Why the image cannot be read; empty if it can.
    """

    image: str
    ranked: tuple[tuple[str, float], ...]
    decided: tuple[str, ...]
    error: str = ""

    def headline(self) -> str:
        """Name the classes that are decided for."""
        return f"{self.image}: {', '.join(self.decided) or 'no label reaches its threshold'}"

    def details(self, top: int) -> list[str]:
        """Write a line for each of the `top` most probable classes."""
        return [f"    {prob:6.3f}  {name}" for name, prob in self.ranked[:top]]

    def row(self) -> dict[str, Any]:
        """Write it as a row of a file."""
        if self.error:
            return {"image": self.image, "error": self.error}
        return {"image": self.image, "decided": list(self.decided), "probs": dict(self.ranked)}


def answer(
    root: Path, paths: Iterable[Path], content: Mapping[str, Any], decided: decision.Decision
) -> Iterator[Answer]:
    """Predict and decide new images with the tiles and the model of the pipeline.

    Args:
        root: A repository in which the pipeline has run.
        paths: Image files, read no further than needed.
        content: Checked parameters of the repository; `tile`, `predict`, `model` and `seed` are used.
        decided: How logits become probabilities and decisions.

    Yields:
        One answer per image, in the order of `paths`.

    Raises:
        ArtifactError: No model has been trained yet.
    """
    for path, row in logits(root, paths, content):
        yield Answer(str(path), (), (), str(row)) if isinstance(row, InputError) else _answer(str(path), row, decided)


def logits(
    root: Path, paths: Iterable[Path], content: Mapping[str, Any]
) -> Iterator[tuple[Path, NDArray[np.float32] | InputError]]:
    """Predict images as the pipeline does, cut into the same tiles, and fold them.

    Threads decode the next images while the network computes. Memory does not grow with the number of images.

    Args:
        root: A repository in which a model has been trained.
        paths: Image files, read no further than needed.
        content: Checked parameters of the repository, as in `answer`.

    Yields:
        Each image, in order, with its (1, c) raw logits, or why it cannot be read.

    Raises:
        ArtifactError: No model has been trained yet.
    """
    network, card, compute = built(root, content)
    for path, seen in outputs(network, card, paths, content, compute, lambda image: None):
        yield path, seen if isinstance(seen, InputError) else fold(seen[0], content)


def fold(of_tiles: NDArray[np.float32], content: Mapping[str, Any]) -> NDArray[np.float32]:
    """Aggregate the logits (k, c) of the tiles of an image to (1, c)."""
    return aggregation.aggregate(of_tiles, np.zeros(len(of_tiles), dtype=np.int64), content["predict"]["aggregate"])


def built(root: Path, content: Mapping[str, Any]) -> tuple[ensembling.Averaged, model.Card, devices.Compute]:
    """Build the network of a repository, as it predicts, with its card and where it computes.

    Raises:
        ArtifactError: No model has been trained yet.
    """
    card = model.read_card(root)
    compute = devices.pick(content["model"]["device"], content["model"]["precision"])
    members = [rebuild(card, model.read_weights(root, member)) for member in range(card.members)]
    return whole(card, members, content, compute), card, compute


def outputs(
    network: nn.Module,
    card: model.Card,
    paths: Iterable[Path],
    content: Mapping[str, Any],
    compute: devices.Compute,
    beside: Callable[[images.RGB], Beside],
) -> Iterator[tuple[Path, tuple[NDArray[np.float32], Beside] | InputError]]:
    """Compute the outputs of a network for the tiles of images, which threads decode ahead.

    Args:
        network: From tiles (b, 3, s, s) to outputs (b, d).
        card: Of the model, for pixels and the size of the input.
        paths: Image files, read no further than needed.
        content: Checked parameters; `tile` and `predict` are used.
        compute: Where the network runs.
        beside: Makes what is kept of each decoded image; runs in a thread.

    Yields:
        Each image, in order, with the outputs (k, d) of its k tiles and what is kept, or why it cannot be read.
    """
    most = AHEAD * content["predict"]["batch_size"]

    def cut(path: Path) -> tuple[Tiles, Beside] | InputError:
        return _cut(path, card, content, beside)

    def size_bytes(of_image: tuple[Tiles, Beside] | InputError) -> int:
        return 0 if isinstance(of_image, InputError) else of_image[0].nbytes

    decoded = ahead.in_order(cut, paths, most, size_bytes)
    for chunk in _chunks(decoded, content["predict"]["batch_size"]):
        parts = [of_image[0] for _, of_image in chunk if not isinstance(of_image, InputError)]
        found: Iterator[NDArray[np.float32]] = iter(())
        if parts:
            every = inference.outputs(network, _batches(parts, card, content, compute), compute).numpy()
            found = iter(np.split(every, np.cumsum([len(tiles) for tiles in parts])[:-1]))
        for path, of_image in chunk:
            yield path, of_image if isinstance(of_image, InputError) else (next(found), of_image[1])


def whole(
    card: model.Card, members: Sequence[nn.Module], content: Mapping[str, Any], compute: devices.Compute | None
) -> ensembling.Averaged:
    """Combine the members into one network that averages over members and views. A frozen backbone is shared.

    Args:
        card: Of the model.
        members: Its networks, from features where the backbone is frozen, else from images.
        content: Checked parameters; `predict` and `seed` are used.
        compute: Where ONNX Runtime may compute backbones; `None` leaves all to PyTorch.
    """

    def fast(backbone: nn.Module) -> nn.Module:
        return backbone if compute is None else inference.freeze(backbone, card.backbone, card.input_px, compute)

    how, views = content["predict"]["average"], tta.VIEWS[content["predict"]["tta"]]
    if card.frozen:
        heads = ensembling.Averaged(members, tta.VIEWS["none"], how, card.task)
        backbone = build_backbone(card.backbone, card.backbone_weights, content["seed"], card.pool)
        members = [Network(fast(backbone), heads)]
    else:
        members = [Network(fast(of.backbone), of.head) for of in members if isinstance(of, Network)]
    return ensembling.Averaged(members, views, how, card.task)


def _cut(
    path: Path, card: model.Card, content: Mapping[str, Any], beside: Callable[[images.RGB], Beside]
) -> tuple[Tiles, Beside] | InputError:
    """Decode an image, and cut it into tiles as the pipeline does."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
            return InputError(f"{path}: not a regular file")
        with samples.room_for(path):
            image = images.decode_fast(path.read_bytes(), card.pixels)
    except OSError as error:
        return InputError(f"{path}: the image cannot be read: {error.strerror}")
    except images.ImageError as error:
        return InputError(f"{path}: {error}")
    height, width = image.shape[:2]
    windows = tiling.windows(width, height, content["tile"]["size_px"], content["tile"]["overlap_px"])
    tiles = np.stack([images.resize(image[y0:y1, x0:x1], card.input_px) for x0, y0, x1, y1 in windows])
    return tiles, beside(image)


def _chunks(
    decoded: Iterator[tuple[Path, tuple[Tiles, Beside] | InputError]], least: int
) -> Iterator[list[tuple[Path, tuple[Tiles, Beside] | InputError]]]:
    """Gather images until they have `least` tiles."""
    chunk: list[tuple[Path, tuple[Tiles, Beside] | InputError]] = []
    count = 0
    for path, of_image in decoded:
        chunk.append((path, of_image))
        count += 1 if isinstance(of_image, InputError) else len(of_image[0])
        if count >= least:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


def _batches(
    parts: Sequence[Tiles], card: model.Card, content: Mapping[str, Any], compute: devices.Compute
) -> Iterator[torch.Tensor]:
    """Yield tiles as float32 (b, 3, s, s), normalised, at most `predict.batch_size` at a time."""
    rows, most = list(chain.from_iterable(parts)), content["predict"]["batch_size"]
    most = min(most, ON_CPU) if compute.device.type == "cpu" else most
    for numbers in inputs.in_order(len(rows), most):
        tiles = torch.from_numpy(np.stack([rows[number] for number in numbers])).to(compute.device)
        yield normalise(tiles.permute(0, 3, 1, 2), *normalisation(card.backbone))


def _answer(image: str, logits: NDArray[np.float32], decided: decision.Decision) -> Answer:
    probs = rules.probabilities(decided, logits)
    is_decided = rules.decided(decided, probs)[0]
    order = np.argsort(-probs[0], kind="stable")
    ranked = tuple((decided.classes[index], float(probs[0, index])) for index in order)
    return Answer(image, ranked, tuple(decided.classes[index] for index in order if is_decided[index]))
