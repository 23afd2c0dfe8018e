"""Draw views of training tiles with their boxes: `python docs/box_views.py` in a built problem with boxes.

It reads `params.yaml` and `data/tiles/train`, and writes `docs/box_views.jpg`: a row per tile, the tile itself first,
then the first views of some policies, the last with objects pasted.
"""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from counterpoise import config, images
from counterpoise.artifacts import classes, tile_boxes, tiles
from counterpoise.dataset import box_examples

PAGE = Path("docs/box_views.jpg")
COLOURS = ("#ffd400", "#00c8ff", "#ff5ad0", "#ff3030", "#7dff5a")
COLUMNS = (("none", 0), ("dihedral", 2), ("standard", 1), ("strong", 1), ("strong", 2), ("none", 1))
SIDE_PX, ROWS = 256, 3


def draw(example: box_examples.Example) -> Image.Image:
    """Draw one example: boxes in the colour of their class, ignored ones in grey."""
    picture = Image.fromarray(example.image)
    pen = ImageDraw.Draw(picture)
    for box, label, ignored in zip(example.boxes, example.labels, example.ignore, strict=True):
        colour = "#888888" if ignored else COLOURS[label % len(COLOURS)]
        x0, y0, x1, y1 = box.tolist()
        pen.rectangle([x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)], outline=colour, width=1)
    return picture.resize((SIDE_PX, SIDE_PX))


def main() -> None:
    """Choose tiles with the rarest class, and draw them."""
    root = Path()
    content, labelled = config.load(root), classes.read(root)
    train, boxes = tiles.read(root, "train"), tile_boxes.read(root, "train")
    objects = boxes[boxes["ignore"] == 0]
    counts = objects["label"].value_counts().reindex(labelled.names, fill_value=0).to_numpy()
    rarest = labelled.names[int(counts.argmin())]
    chosen = objects.loc[objects["label"] == rarest, "tile_id"].drop_duplicates()[:ROWS]
    least = content["tile"]["min_visible"]
    donors = box_examples.collect(
        train, boxes, labelled.names, [rarest], margin_px=4, min_visible=least, seed=content["seed"]
    )
    plain = box_examples.Views("none", content["seed"], least, counts)
    pasting = dataclasses.replace(plain, pasting=box_examples.Pasting(donors, 1.0, 4))
    grid = Image.new("RGB", (len(COLUMNS) * (SIDE_PX + 4), len(chosen) * (SIDE_PX + 4)), "white")
    for row, tile_id in enumerate(chosen):
        image = images.decode(train.load(train.table["tile_id"].tolist().index(tile_id)))
        tile = box_examples.of_tile(image, boxes[boxes["tile_id"] == tile_id], labelled.names)
        for column, (policy, number) in enumerate(COLUMNS):
            views = dataclasses.replace(pasting if column == len(COLUMNS) - 1 else plain, policy=policy)
            shown = draw(box_examples.view(tile, tile_id, number, views))
            grid.paste(shown, (column * (SIDE_PX + 4), row * (SIDE_PX + 4)))
    grid.save(PAGE, quality=72)
    names = ", ".join(f"{name} {colour}" for name, colour in zip(labelled.names, COLOURS, strict=False))
    print(f"{PAGE}: {PAGE.stat().st_size // 1024} KiB, {np.size(donors)} objects to paste; {names}")


if __name__ == "__main__":
    main()
