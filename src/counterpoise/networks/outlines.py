"""What is known of a backbone before it has weights, without building it where that was done before.

`outlines.json` holds the backbones of `params.yaml` and of the presets; `python -m counterpoise.networks.outlines`
writes it. What else was built is kept in a file of the repository, which git ignores: building a backbone takes
seconds, and both can be read without torch and timm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from counterpoise import storage

TABLE = Path(__file__).with_name("outlines.json")
TABULATED = ("densenet121", "efficientnet_b0", "resnet18", "tf_efficientnet_lite0")
"""Backbones of the table: convolutional ones, which take pictures of every size from 32 px on."""
TABULATED_POOLS = ("avg", "avg_max", "as_made")
CACHE = ".outlines.json"


@dataclass(frozen=True)
class Outline:
    """What is known of a backbone before it has weights.

    Attributes:
        width: Features of a picture.
        blocks: How many blocks it is divided into; 0 where timm does not say.
        has_batchnorm: Whether it has batch norms to train.
        has_imagenet: Whether timm has weights of it.
    """

    width: int
    blocks: int
    has_batchnorm: bool
    has_imagenet: bool


_OUTLINES = TypeAdapter(dict[str, Outline])
_built: dict[str, Outline] = {}
"""Backbones that this process has built, or recalled from a repository."""


def outline(name: str, pool: str, input_px: int) -> Outline:
    """Look up a backbone in the table, then among those that were built before; else build it.

    Args:
        name: A timm model.
        pool: A value of `model.pool`.
        input_px: Side of the square that the network sees.

    Raises:
        InputError: timm has no such model, or it cannot pool in this way or take pictures of this size.
    """
    if name in TABULATED:
        return _OUTLINES.validate_json(TABLE.read_bytes(), strict=True)[f"{name} {pool}"]
    key = _key(name, pool, input_px)
    if key not in _built:
        _built[key] = measure(name, pool, input_px)
    return _built[key]


def measure(name: str, pool: str, input_px: int) -> Outline:
    """Build a backbone, and look at it; arguments and errors as those of `outline`."""
    from counterpoise.networks import backbones, freezing, pretrained

    backbone = backbones.build_backbone(name, "none", 0, pool)
    return Outline(
        width=backbones.width(backbone, input_px),
        blocks=len(freezing.blocks(backbone)) if hasattr(backbone, "group_matcher") else 0,
        has_batchnorm=freezing.has_batchnorm(backbone),
        has_imagenet=pretrained.has_imagenet(name),
    )


def recall(root: Path) -> None:
    """Take over what was built before in a repository, and forget all else; a damaged file counts as none."""
    _built.clear()
    try:
        _built.update(_OUTLINES.validate_json((root / CACHE).read_bytes(), strict=True))
    except (FileNotFoundError, ValidationError):
        return


def keep(root: Path) -> None:
    """Write what was built since `recall`, beside what was recalled; nothing where there is nothing new."""
    built = dict(_built)
    recall(root)
    if built != _built:
        _built.update(built)
        storage.write_json(root / CACHE, {key: asdict(_built[key]) for key in sorted(_built)})


def _key(name: str, pool: str, input_px: int) -> str:
    return f"{name} {pool} {input_px} timm {version('timm')}"


def main() -> None:
    """Build every backbone of the table, and write it."""
    table = {f"{name} {pool}": asdict(measure(name, pool, 64)) for name in TABULATED for pool in TABULATED_POOLS}
    storage.write_json(TABLE, table)


if __name__ == "__main__":
    main()
