"""Training examples with boxes: a tile, or a view of it with objects pasted onto it, and the boxes that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import images, seeds
from counterpoise.dataset import box_views, copy_paste, tile_labels
from counterpoise.dataset.box_views import Boxes, Ints
from counterpoise.images import RGB

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.artifacts.tiles import Tiles

CORNERS = ["x0_px", "y0_px", "x1_px", "y1_px"]
DONORS = 200
"""Objects of each class that are kept in memory to be pasted."""


@dataclass(frozen=True)
class Example:
    """A picture with n boxes.

    Attributes:
        image: uint8 (height, width, 3).
        boxes: (n, 4) x0, y0, x1, y1 in pixels, inside the picture.
        labels: (n,) class index of each; -1 where a place is ignored for every class.
        visible_frac: (n,) share of the whole object that the picture shows, in (0, 1].
        ignore: (n,) whether the place is neither an object nor background.
    """

    image: RGB
    boxes: Boxes
    labels: Ints
    visible_frac: NDArray[np.float64]
    ignore: NDArray[np.bool_]


@dataclass(frozen=True)
class Donor:
    """An object that can be pasted, and the tile that it comes from."""

    tile_id: str
    patch: copy_paste.Patch


@dataclass(frozen=True)
class Pasting:
    """What is pasted onto views, and how often; see `oversample.copy_paste`.

    Attributes:
        donors: Objects of training tiles.
        frac: Share of the views that get some, in [0, 1].
        objects: Most objects on one view, 1 or more.
    """

    donors: Sequence[Donor]
    frac: float
    objects: int


@dataclass(frozen=True)
class Views:
    """What decides the views of training tiles.

    Attributes:
        policy: Name of an augmentation policy.
        seed: Seed of all views.
        min_visible: Boxes with less of their object in the view are ignored, in (0, 1].
        class_counts: (c,) boxes of each class in train; a crop keeps a box of the rarest.
        pasting: `None` pastes nothing.
    """

    policy: str
    seed: int
    min_visible: float
    class_counts: Ints
    pasting: Pasting | None = None


def of_tile(image: RGB, rows: pd.DataFrame, names: Sequence[str]) -> Example:
    """Give a tile unchanged.

    Args:
        image: uint8 (height, width, 3).
        rows: Its rows of `data/tiles/<split>/boxes.csv`.
        names: The c classes in their order.
    """
    index = {name: number for number, name in enumerate(names)}
    return Example(
        image,
        rows[CORNERS].to_numpy(dtype=np.float64),
        np.array([index.get(label, -1) for label in rows["label"]], dtype=np.int64),
        rows["visible_frac"].to_numpy(dtype=np.float64),
        rows["ignore"].to_numpy() == 1,
    )


def view(tile: Example, tile_id: str, number: int, views: Views) -> Example:
    """Make a view of a training tile.

    Args:
        tile: The tile.
        tile_id: Its name.
        number: Number of the view; 0 is the unchanged tile.
        views: What decides it.

    Returns:
        The picture and its boxes. Equal arguments give equal results, whatever was made before.
    """
    if not number:
        return tile
    item = f"{tile_id}#{number}"
    if views.pasting is not None:
        tile = _pasted(tile, tile_id, views.pasting, views.seed, item)
    seed = seeds.derive(views.seed, "view", item)
    return augmented(tile, views.policy, seed, views.min_visible, views.class_counts)


def sample(
    tile: Example,
    tile_id: str,
    chosen: tuple[int, int],
    views: Views,
    again: str = "none",
    draw: tuple[int, int, int] | None = None,
) -> Example:
    """Make what training sees: a view of a tile, which `train.augment` changes again each time that it is shown.

    Args:
        tile: The tile.
        tile_id: Its name.
        chosen: Number of the example, a row of `data/draws.csv`, and of its view; 0 is the unchanged tile.
        views: What decides the view.
        again: Augmentation policy that is applied after the view, if `draw` is given; `none` for none.
        draw: Seed of the training, the epoch from 0, and how often the epoch has shown the example before.
    """
    number, of_view = chosen
    example = view(tile, tile_id, of_view, views)
    if again == "none" or draw is None:
        return example
    seed, epoch, before = draw
    item = f"{tile_id}#{number}#{epoch}" + (f"#{before}" if before else "")
    own = seeds.derive(seed, "on the fly", item)
    return augmented(example, again, own, views.min_visible, views.class_counts)


def augmented(example: Example, policy: str, seed: int, min_visible: float, class_counts: Ints) -> Example:
    """Augment an example.

    Args:
        example: A picture with boxes.
        policy: Name of an augmentation policy.
        seed: Decides the result.
        min_visible: Boxes with less of their object in the result are ignored, in (0, 1].
        class_counts: (c,) boxes of each class in train; a crop keeps a box of the rarest.
    """
    kept = np.where(example.ignore, -1, example.labels)  # a crop is made for an object
    found = box_views.apply_boxes(policy, example.image, example.boxes, kept, seed, class_counts)
    visible = example.visible_frac[found.source] * found.visible_frac
    ignore = example.ignore[found.source] | (visible < min_visible)
    return Example(found.image, found.boxes, example.labels[found.source], visible, ignore)


def _pasted(tile: Example, tile_id: str, pasting: Pasting, seed: int, item: str) -> Example:
    """Paste objects of other tiles onto a tile, in a share of the views."""
    rng = seeds.generator(seed, "paste", item)
    others = [donor.patch for donor in pasting.donors if donor.tile_id != tile_id]
    if not others or rng.random() >= pasting.frac:
        return tile
    of_class: dict[int, list[copy_paste.Patch]] = {}
    for patch in others:
        of_class.setdefault(patch.label, []).append(patch)
    kinds = rng.choice(sorted(of_class), rng.integers(1, pasting.objects + 1))
    patches = [of_class[kind][rng.integers(len(of_class[kind]))] for kind in kinds.tolist()]
    objects, ignored = ~tile.ignore, tile.boxes[tile.ignore]
    image, boxes, labels = copy_paste.paste(
        tile.image, tile.boxes[objects], tile.labels[objects], ignored, patches, int(rng.integers(2**63))
    )
    added = len(boxes) - int(objects.sum())
    return Example(
        image,
        np.concatenate([boxes, ignored]),
        np.concatenate([labels, tile.labels[tile.ignore]]),
        np.concatenate([tile.visible_frac[objects], np.ones(added), tile.visible_frac[tile.ignore]]),
        np.repeat([False, True], [len(boxes), len(ignored)]),
    )


def collect(
    tiles: Tiles,
    boxes: pd.DataFrame,
    names: Sequence[str],
    wanted: Sequence[str],
    *,
    margin_px: int,
    min_visible: float,
    seed: int,
) -> list[Donor]:
    """Cut objects out of training tiles.

    Taken are whole objects, not wider or higher than half their tile, around which no other object shows: it would be
    pasted along without a box. Of each class there are at most `DONORS`, chosen at random.

    Args:
        tiles: The training tiles.
        boxes: Their boxes.
        names: The c classes in their order.
        wanted: Classes whose objects are taken.
        margin_px: Pixels around each that come along.
        min_visible: Other objects may be in the patch with less than this share, in (0, 1].
        seed: Decides which are taken.
    """
    shown = boxes[boxes["tile_id"].isin(tiles.table["tile_id"])]
    of_tile_id = {str(tile_id): own for tile_id, own in shown.groupby("tile_id")}
    row_of = {tile_id: row for row, tile_id in enumerate(tiles.table["tile_id"])}
    donors: list[Donor] = []
    for name in sorted(set(wanted)):
        own = shown[(shown["label"] == name) & (shown["ignore"] == 0) & (shown["visible_frac"] == 1.0)]
        order = seeds.generator(seed, "donors", name).permutation(len(own))
        taken: list[Donor] = []
        for place in order.tolist():
            if len(taken) == DONORS:
                break
            chosen = own.iloc[place]
            image = images.decode(tiles.load(row_of[chosen["tile_id"]]))
            corners = chosen[CORNERS].to_numpy(dtype=np.float64)
            others = of_tile_id[chosen["tile_id"]]
            rest = others.loc[others["box"] != chosen["box"], CORNERS].to_numpy(dtype=np.float64)
            if _is_alone(corners, rest, margin_px, min_visible) and _is_small(corners, image):
                patch = copy_paste.cut(image, corners, list(names).index(name), margin_px)
                taken.append(Donor(str(chosen["tile_id"]), patch))
        donors += taken
    return donors


def _is_small(box: Boxes, image: RGB) -> bool:
    return bool((2 * (box[2:] - box[:2]) <= image.shape[1::-1]).all())


def _is_alone(box: Boxes, others: Boxes, margin_px: int, min_visible: float) -> bool:
    """Say whether a patch around a box shows less than `min_visible` of each of the other (n, 4) boxes."""
    if not len(others):
        return True
    x0, y0 = np.floor(box[:2]).astype(int) - margin_px
    x1, y1 = np.ceil(box[2:]).astype(int) + margin_px
    return bool((tile_labels.cut(others, (int(x0), int(y0), int(x1), int(y1)))[1] < min_visible).all())
