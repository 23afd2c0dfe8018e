"""`models/model/`: `model.safetensors` (weights) and `model.json` (all that is needed to build and use it)."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise import priors, storage

if TYPE_CHECKING:
    import torch

FOLDER = "models/model"
CARD = f"{FOLDER}/model.json"


@dataclass(frozen=True)
class Card:
    """What `model.json` says of a model.

    Attributes:
        task: What the labels mean.
        backbone: timm name of the backbone.
        head: Name of the head.
        dropout: In front of the last layer.
        input_px: Side of the square that the network sees.
        frozen: Whether the backbone is as it came; then the weights hold the head alone, and the backbone is
            built from `backbone_weights`.
        backbone_weights: Where the backbone's first weights came from.
        classes: Class names, in the order of the logits.
        loss: Name of the loss that trained it.
        ledger: Every line of the prior ledger up to and including the loss.
        pool: How the backbone's maps became vectors.
        hidden: Units of the head's hidden layer; some heads have none.
        width: How many features the head reads.
    """

    task: str
    backbone: str
    head: str
    dropout: float
    input_px: int
    frozen: bool
    backbone_weights: str
    classes: tuple[str, ...]
    loss: str
    ledger: tuple[priors.Line, ...]
    pool: str
    hidden: int
    width: int


def write(root: Path, card: Card, weights: dict[str, torch.Tensor]) -> None:
    """Write a model, whole or not at all."""
    from safetensors.torch import save_file

    with storage.replacing(root / FOLDER, folder=True) as folder:
        storage.write_json(folder / "model.json", asdict(card))
        save_file(
            {name: weights[name].detach().cpu().contiguous() for name in sorted(weights)},
            folder / "model.safetensors",
        )


def fingerprint(root: Path) -> str:
    """Compute what tells one model from another: the SHA-256 of its two files.

    Raises:
        storage.ArtifactError: A file is missing.
    """
    digest = hashlib.sha256()
    for name in ("model.json", "model.safetensors"):
        try:
            digest.update((root / FOLDER / name).read_bytes())
        except FileNotFoundError as error:
            raise storage.ArtifactError(f"{FOLDER}/{name} does not exist; run `dvc repro`") from error
    return digest.hexdigest()


def read_card(root: Path) -> Card:
    """Read what is said of the model.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / CARD)
    try:
        content["classes"] = tuple(content["classes"])
        content["ledger"] = tuple(priors.Line.from_json(line) for line in content["ledger"])
        return Card(**content)
    except (KeyError, TypeError) as error:
        raise storage.ArtifactError(f"{CARD}: damaged: {error!r}") from error


def read_weights(root: Path) -> dict[str, torch.Tensor]:
    """Read the weights onto the CPU.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights: dict[str, torch.Tensor] = load_file(root / FOLDER / "model.safetensors")
    except (FileNotFoundError, SafetensorError) as error:
        raise storage.ArtifactError(f"{FOLDER}/model.safetensors is missing or damaged: {error}") from error
    return weights
