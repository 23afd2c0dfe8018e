"""Tiles per second of stage `tile` beside the slicing of sahi, on the same COCO set, and the sizes of what they write.

Run `python benchmarks/tiling.py SAHI_PYTHON ANNOTATIONS.json [FOLDER]`: the Python of an environment with sahi, which
brings another OpenCV; a COCO file; and the folder below which its file names lie, by default that of the file. Each
round runs both, one after the other, in a process each that has imported all it needs; medians are over rounds.
Windows and boxes must be equal: 640 px, overlap 128 px, boxes that show a tenth of their area or more.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image

from counterpoise import images
from counterpoise.artifacts import boxes, manifest, pixels, splits

ROUNDS = 5
SIZE_PX, OVERLAP_PX, MIN_VISIBLE = 640, 128, 0.1
SAHI_QUALITY = 75
"""Pillow's own, which sahi leaves."""
SAHI = """
import json, sys, time
from pathlib import Path
from sahi.slicing import slice_coco
annotations, folder, out, ext = sys.argv[1:]
start = time.perf_counter()
coco, _ = slice_coco(annotations, folder, "boxes", out, slice_height=640, slice_width=640, overlap_height_ratio=0.2,
                     overlap_width_ratio=0.2, min_area_ratio=0.1, out_ext=ext)
seconds = time.perf_counter() - start
files = [path for path in Path(out).rglob("*" + ext)]
print(json.dumps([seconds, len(files), sum(f.stat().st_size for f in files), len(coco["annotations"])]))
"""
OURS = """
import json, sys, time
from pathlib import Path
import pandas
from counterpoise import config
from counterpoise.artifacts import tile_boxes, tiles
from counterpoise.stages import tile
root, values = Path(sys.argv[1]), json.loads(sys.argv[2])
params = tile.Params(tile=config.validate(tile.Tile, values, "tile"))
start = time.perf_counter()
tile.main(root, params)
seconds = time.perf_counter() - start
table, found = tiles.read(root, "train").table, tile_boxes.read(root, "train")
print(json.dumps([seconds, len(table), int(table["nbytes"].sum()), int((found["ignore"] == 0).sum())]))
"""
Result = tuple[float, int, int, int]
"""Seconds, tiles, bytes of all tiles, boxes."""


def write_set(root: Path, annotations: Path, folder: Path) -> None:
    """Write what stage `tile` reads of a COCO set, all of it in train."""
    content = json.loads(annotations.read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in content["categories"]}
    file_of = {image["id"]: image["file_name"] for image in content["images"]}
    (root / "raw").symlink_to(folder.resolve())
    rows = []
    for name in sorted(file_of.values()):
        path = folder / name
        with Image.open(path) as picture:
            size = picture.size
        rows.append((name, f"raw/{name}", "", "", name, "", *size, hashlib.sha256(path.read_bytes()).hexdigest()))
    manifest.write(root, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    splits.write(root, pd.DataFrame({"image_id": [row[0] for row in rows], "split": "train"}))
    pixels.write(root, images.Pixels({}))
    found = []
    for number, box in enumerate(content["annotations"]):
        x, y, width, height = map(float, box["bbox"])
        if width > 0 and height > 0:
            label = names[box["category_id"]]
            found.append((file_of[box["image_id"]], number, label, label, x, y, x + width, y + height, 0, "coco"))
    boxes.write(root, pd.DataFrame(sorted(found), columns=list(boxes.COLUMNS)))


def run(*command: str) -> Result:
    """Run one side in its process."""
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    seconds, tiles, size, count = json.loads(answer)
    return seconds, tiles, size, count


def compare(sahi: str, root: Path, annotations: Path, folder: Path, ext: str, values: dict[str, object]) -> None:
    """Print medians of both sides, and of the ratio of each round."""
    pairs = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as out:
            theirs = run(sahi, "-c", SAHI, str(annotations), str(folder), out, ext)
        pairs.append((run(sys.executable, "-c", OURS, str(root), json.dumps(values)), theirs))
    ours, theirs = pairs[-1]
    ratio = statistics.median(other[0] / own[0] for own, other in pairs)
    rates = [statistics.median(side[number][1] / side[number][0] for side in pairs) for number in (0, 1)]
    stored = f"jpeg {values['quality']}" if values["format"] == "jpeg" else f"png {values['compress_level']}"
    print(
        f"{stored:8s} ours {rates[0]:6.1f} tiles/s, {ours[1]} tiles, {ours[2] / 2**20:.1f} MiB, {ours[3]} boxes;  "
        f"sahi {ext} {rates[1]:6.1f} tiles/s, {theirs[1]} tiles, {theirs[2] / 2**20:.1f} MiB, {theirs[3]} boxes;  "
        f"{ratio:.2f} times as fast",
        flush=True,
    )


def main(sahi: str, annotations: Path, folder: Path) -> None:
    """Compare JPEG of equal quality, and PNG at several levels."""
    values: dict[str, object] = {"size_px": SIZE_PX, "overlap_px": OVERLAP_PX, "min_visible": MIN_VISIBLE}
    values |= {"label_rule": "any", "min_area_frac": 0.0, "min_count": 1, "compress_level": 3, "quality": SAHI_QUALITY}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_set(root, annotations, folder)
        compare(sahi, root, annotations, folder, ".jpg", {**values, "format": "jpeg"})
        for level in (1, 3):
            compare(sahi, root, annotations, folder, ".png", {**values, "format": "png", "compress_level": level})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else Path(sys.argv[2]).parent)
