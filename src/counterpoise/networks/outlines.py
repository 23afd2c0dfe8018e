"""Properties of backbones that do not depend on their weights, stored so that a backbone is built only once.

Building a backbone takes seconds; reading its stored properties needs neither torch nor timm. `outlines.json` has the
backbones of `params.yaml` and of the presets; `python -m counterpoise.networks.outlines` writes it. Other backbones are
stored in a file of the user's repository that git ignores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from counterpoise import storage

TABLE = Path(__file__).with_name("outlines.json")
TABULATED = ("densenet121", "efficientnet_b0", "resnet18", "tf_efficientnet_lite0")
"""Backbones in `outlines.json`. They are convolutional and accept images of every size from 32 px."""
TABULATED_POOLS = ("avg", "avg_max", "as_made")
CACHE = ".outlines.json"


@dataclass(frozen=True)
class Outline:
    """Properties of a backbone that do not depend on its weights.

    Attributes:
        width: Number of features per image.
        blocks: Number of blocks; 0 if timm defines none.
        has_batchnorm: Whether it has trainable batch norms.
        has_imagenet: Whether timm has pretrained weights for it.
    """

    width: int
    blocks: int
    has_batchnorm: bool
    has_imagenet: bool


_OUTLINES = TypeAdapter(dict[str, Outline])
_built: dict[str, Outline] = {}
"""Backbones that this process has built or read from the user's repository."""


def outline(name: str, pool: str, input_px: int) -> Outline:
    """Look up a backbone in the table, then in the stored ones. If it is in neither, build it.

    Args:
        name: A timm model.
        pool: A value of `model.pool`.
        input_px: Side of the square input of the network, in pixels.

    Raises:
        InputError: timm does not have this model, or the model does not support this pooling or image size.
    """
    if name in TABULATED:
        return _OUTLINES.validate_json(TABLE.read_bytes(), strict=True)[f"{name} {pool}"]
    key = _key(name, pool, input_px)
    if key not in _built:
        _built[key] = measure(name, pool, input_px)
    return _built[key]


def measure(name: str, pool: str, input_px: int) -> Outline:
    """Build a backbone and measure its properties. Arguments and errors are those of `outline`."""
    from counterpoise.networks import backbones, freezing, pretrained

    backbone = backbones.build_backbone(name, "none", 0, pool)
    return Outline(
        width=backbones.width(backbone, input_px),
        blocks=len(freezing.blocks(backbone)) if hasattr(backbone, "group_matcher") else 0,
        has_batchnorm=freezing.has_batchnorm(backbone),
        has_imagenet=pretrained.has_imagenet(name),
    )


def recall(root: Path) -> None:
    """Replace the properties in memory by those stored in a repository. A damaged file counts as empty."""
    _built.clear()
    try:
        _built.update(_OUTLINES.validate_json((root / CACHE).read_bytes(), strict=True))
    except (FileNotFoundError, ValidationError):
        return


def keep(root: Path) -> None:
    """Store the backbones that were built since `recall`, in addition to the stored ones. Write only if any are new."""
    built = dict(_built)
    recall(root)
    if built != _built:
        _built.update(built)
        storage.write_json(root / CACHE, {key: asdict(_built[key]) for key in sorted(_built)})


def _key(name: str, pool: str, input_px: int) -> str:
    return f"{name} {pool} {input_px} timm {version('timm')}"


def main() -> None:
    """Build every backbone of the table, and write the table."""
    table = {f"{name} {pool}": asdict(measure(name, pool, 64)) for name in TABULATED for pool in TABULATED_POOLS}
    storage.write_json(TABLE, table)


if __name__ == "__main__":
    main()
