"""Pages with pictures: of images to label, and of labels to confirm. Each is one file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from counterpoise import images
from counterpoise.artifacts.tiles import Tiles
from counterpoise.images import Pixels
from counterpoise.labelling.corrections import Line
from counterpoise.labelling.suggestions import Suggestions
from counterpoise.report import page
from counterpoise.report.charts import theme

FOLDER = Path(__file__).parent
SCRIPT = (FOLDER / "suspects.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Shown:
    """A suspect with its picture, a data URI."""

    line: Line
    picture: str


def suggestions(found: Suggestions, pixels: Pixels, table: Path) -> str:
    """Render the page of images to label.

    Args:
        found: The images.
        pixels: How values of images become 8-bit RGB.
        table: The table to fill in.
    """
    pictures = [_whole(one.candidate.path, pixels) for one in found.chosen]
    return _render("suggestions.html.j2", "", found=found, pictures=pictures, table=table.name)


def suspects(shown: Sequence[Shown], total: int, source: str, classes: Sequence[str], table: Path) -> str:
    """Render the page of labels to confirm.

    Args:
        shown: Suspects with their pictures, the surest first.
        total: How many there are.
        source: Where the probabilities come from.
        classes: Classes among which a person may choose another one; none where images have several labels.
        table: The table of all suspects.
    """
    return _render(
        "suspects.html.j2", SCRIPT, shown=shown, total=total, source=source, classes=classes, table=table.name
    )


def first_tiles(parts: Sequence[Tiles]) -> dict[str, tuple[Tiles, int]]:
    """Find the first tile of every image: image_id -> the tiles of its split, and the row there."""
    found: dict[str, tuple[Tiles, int]] = {}
    for part in parts:
        firsts = part.table["image_id"].drop_duplicates()
        found |= {image_id: (part, int(row)) for image_id, row in zip(firsts, firsts.index, strict=True)}
    return found


def shown(lines: Sequence[Line], parts: Sequence[Tiles]) -> list[Shown]:
    """Add pictures, of the first tile of each image."""
    places = first_tiles(parts)
    pictures = (page.encode(part.load(row)) for part, row in (places[line.image_id] for line in lines))
    return [Shown(line, picture) for line, picture in zip(lines, pictures, strict=True)]


def _whole(path: Path, pixels: Pixels) -> str:
    """Make a small picture of a file that could be read a moment ago; if it no longer can, an empty one."""
    try:
        picture = Image.fromarray(images.decode(path.read_bytes(), pixels))
    except (OSError, images.ImageError):
        picture = Image.fromarray(np.zeros((1, 1, 3), dtype=np.uint8))
    picture.thumbnail((page.PICTURE_PX, page.PICTURE_PX), Image.Resampling.LANCZOS)
    return page.data_uri(picture)


def _render(template: str, script: str, **content: object) -> str:
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        page.environment(FOLDER)
        .get_template(template)
        .render(
            content,
            style=Markup(theme.style_sheet() + "\n" + (page.FOLDER / "style.css").read_text(encoding="utf-8")),
            policy=Markup(
                f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{allowed}'"
            ),
            script=Markup(script),
        )
    )
