"""`models/model/`: weights, a file for each member, and `model.json` (all that is needed to build and use them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise import storage
from counterpoise.calibration import prior_ledger
from counterpoise.images import Pixels

if TYPE_CHECKING:
    import torch

FOLDER = "models/model"
CARD = f"{FOLDER}/model.json"
SUMS = f"{FOLDER}/train.sums"


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
        members: Networks that were trained.
        subclasses: Class name -> number of subtypes that the network distinguishes.
        pixels: How values of images became 8-bit RGB; new images are decoded in the same way.
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
    ledger: tuple[prior_ledger.Line, ...]
    pool: str
    hidden: int
    width: int
    members: int = 1
    subclasses: Mapping[str, int] = field(default_factory=dict)
    pixels: Pixels = field(default_factory=Pixels)


@dataclass(frozen=True)
class DetectorCard(Card):
    """What `model.json` says of a detector.

    Attributes:
        detector: Section `detector` of the parameters.
        box_loss: Name of the box loss, which decides how many numbers a box has.
        box_params: Its parameters.
        anchors: For each level, width and height of each anchor in pixels of the network's input.
    """

    detector: Mapping[str, Any] = field(default_factory=dict)
    box_loss: str = ""
    box_params: Mapping[str, Any] = field(default_factory=dict)
    anchors: tuple[tuple[tuple[float, float], ...], ...] = ()


def weights_path(member: int = 0) -> str:
    """Path of a member's weights below the repository: `model.safetensors`, then `model_1.safetensors` and so on."""
    return f"{FOLDER}/model_{member}.safetensors" if member else f"{FOLDER}/model.safetensors"


def write(root: Path, card: Card, *weights: dict[str, torch.Tensor]) -> None:
    """Write a model with the weights of each member, whole or not at all.

    Raises:
        ValueError: The card states another number of members.
    """
    from safetensors.torch import save_file

    if len(weights) != card.members:
        raise ValueError(f"the card states {card.members} members; found weights of {len(weights)}")
    with storage.replacing(root / FOLDER, folder=True, sums=root / SUMS) as folder:
        storage.write_json(folder / "model.json", asdict(card))
        for member, own in enumerate(weights):
            save_file(
                {name: own[name].detach().cpu().contiguous() for name in sorted(own)},
                folder / Path(weights_path(member)).name,
            )


def read_card(root: Path) -> Card:
    """Read what is said of the model.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / CARD, root / SUMS)
    kind = DetectorCard if isinstance(content, dict) and "detector" in content else Card
    return storage.read_dataclass(root, CARD, kind, SUMS)


def read_weights(root: Path, member: int = 0) -> dict[str, torch.Tensor]:
    """Read the weights of a member onto the CPU.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = storage.verified(root / weights_path(member), root / SUMS)
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as error:
        raise storage.ArtifactError(f"{weights_path(member)} holds no weights: {error}; run `dvc repro`") from error
    return weights
