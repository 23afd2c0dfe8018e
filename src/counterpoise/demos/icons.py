"""Icons: 1,558 drawings of 1,395 pictograms in 68 categories, many in several, of which a few hold most of the icons.

All 1,395 solid icons of Font Awesome Free 6.6.0 and the 163 of them that have a regular drawing too, each with all
categories of `metadata/categories.yml` that name the icon, by their keys (`buildings`): 1 to 9, on average 2.02. A
solid and a regular drawing of one icon share a group. 52 categories have 20 icons or more, and 1,487 drawings show at
least one of them; counted in drawings, 54 have 20 or more, in 1,515 drawings. The largest is `humanitarian` (343
drawings), the smallest `fruits-vegetables` (7).

Two kinds of icon are left out. Brands, since their licence asks to use a logo only for its brand, and since a logo does
not look like its category. Icons without a category, since nobody filed them anywhere, which does not mean
that no category is true; in 6.6.0 these are brands only (439 of 492 drawings), so that every drawing has a label.

Icons: CC BY 4.0, fonts: SIL OFL 1.1. Source: https://fontawesome.com, as the Python package fontawesomefree.
"""

from __future__ import annotations

import csv
import json
from importlib import util
from pathlib import Path

import yaml
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from counterpoise.config import InputError

FONTS = {"regular": "fa-regular-400.ttf", "solid": "fa-solid-900.ttf"}
"""File of each style; brands are left out."""
CANVAS_PX = 192
"""Side of a drawing."""
EM_PX = 134
"""Height of an icon's box, the same for all; the widest are 1.25 times as wide, which leaves a margin of 11 px."""

NOTICE = """Icons: drawings of Font Awesome Free 6.6.0 by Fonticons, Inc. (https://fontawesome.com).
Icons (c) 2024 Fonticons, Inc., licence CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/); the fonts that they
are drawn with: SIL OFL 1.1 (https://openfontlicense.org); see https://fontawesome.com/license/free.
Written by `counterpoise.stages.demo` from the Python package fontawesomefree. Changes: each solid and regular icon is
drawn black on white as a PNG file; its labels are the categories that list it; brand icons are left out.
"""


def write(folder: Path) -> None:
    """Draw the icons and write `labels.csv` (image, labels joined by `|`, group: the icon's name).

    Args:
        folder: An empty folder.

    Raises:
        InputError: The package is not installed.
    """
    package = util.find_spec("fontawesomefree")
    if package is None or package.origin is None:
        raise InputError(
            "demo.name is 'icons', but fontawesomefree is not installed; run `pip install 'counterpoise[demo]'`"
        )
    data = Path(package.origin).parent / "static" / "fontawesomefree"
    icons = json.loads((data / "metadata" / "icons.json").read_text(encoding="utf-8"))
    # The basic layout, since the other one, where there is any, may join letters.
    fonts = {
        style: ImageFont.truetype(data / "webfonts" / file, EM_PX, layout_engine=ImageFont.Layout.BASIC)
        for style, file in FONTS.items()
    }
    categories = _categories(data / "metadata" / "categories.yml")
    rows = [(icon, style) for icon in sorted(categories) for style in sorted(FONTS) if style in icons[icon]["free"]]
    (folder / "images").mkdir()
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "labels", "group"])
        for icon, style in tqdm(rows, desc="draw", unit="icon", delay=1, mininterval=1):
            image = f"images/{icon}_{style}.png"
            _draw(chr(int(icons[icon]["unicode"], 16)), fonts[style]).save(folder / image)
            table.writerow([image, "|".join(categories[icon]), icon])
    (folder / "NOTICE.txt").write_text(NOTICE, encoding="utf-8")


def _categories(path: Path) -> dict[str, list[str]]:
    """Read the sorted categories of every icon that has any."""
    by_icon: dict[str, list[str]] = {}
    for category, content in sorted(yaml.safe_load(path.read_text(encoding="utf-8")).items()):
        for icon in content["icons"]:
            by_icon.setdefault(icon, []).append(category)
    return by_icon


def _draw(character: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Draw an icon in the middle. What is centred is its box: a minus is in the middle of it, an underline below."""
    image = Image.new("L", (CANVAS_PX, CANVAS_PX), 255)
    ImageDraw.Draw(image).text((CANVAS_PX / 2, CANVAS_PX / 2), character, fill=0, font=font, anchor="mm")
    return image
