"""Render the report from the template `index.html.j2`, with embedded pictures."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import jinja2
from markupsafe import Markup, escape
from PIL import Image

from counterpoise import images
from counterpoise.report import box_summary, summary, warnings
from counterpoise.report.charts import render as charts
from counterpoise.report.charts import theme
from counterpoise.report.facts import Facts
from counterpoise.report.parts import rows
from counterpoise.report.sections.box_mistakes import Picture, box_galleries
from counterpoise.report.sections.mistakes import galleries
from counterpoise.report.texts import write_value

PICTURE_PX = 160
"""Longer side of a picture in the report."""
JPEG_QUALITY = 80
LONGEST_NAME = 40
"""Largest number of characters of a class name in the head of a table or under a picture."""
TIED = re.compile(r"(?<=\d) (?=%)|(?<=\d), (?=[+−\d.]+\])| (?== \d)|(?<= =) (?=\d)")
"""Spaces at which no line breaks."""
FOLDER = Path(__file__).parent
"""The folder with the template and the style sheet."""


def encode(data: bytes) -> str:
    """Shrink an encoded image to a JPEG of at most 160 px and return it as a data URI."""
    image = Image.fromarray(images.decode(data))
    image.thumbnail((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
    return data_uri(image)


def data_uri(image: Image.Image) -> str:
    """Encode a picture as a JPEG, and return it as a data URI."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def breakable(text: str) -> Markup:
    """Allow line breaks in a long name after a dot, an underscore or a slash.

    Example:
        >>> breakable("a_b & c")
        Markup('a_<wbr>b &amp; c')
    """
    return Markup(re.sub(r"(?<=[._/])(?=\w)", "<wbr>", str(escape(text))))


def cut_name(text: str) -> str:
    """Shorten a very long name so that the rest of the line stays visible.

    Example:
        >>> len(cut_name("x" * 200)), cut_name("short")
        (40, 'short')
    """
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def tied(text: str) -> str:
    """Keep a number and its per cent sign, both ends of an interval, or an equation on one line.

    Example:
        >>> tied("4 % [0.1, 0.2], n = 8").replace(chr(160), "_")
        '4_% [0.1,_0.2], n_=_8'
    """
    return TIED.sub(lambda match: match[0].replace(" ", "\u00a0"), text)


def render(facts: Facts, most_mistakes: int, picture: Callable[[str], str], place: Picture, *, cut: bool) -> str:
    """Render the report.

    Args:
        facts: The artifacts of the run.
        most_mistakes: Largest number of wrongly decided images to show.
        picture: Returns the data URI of an image id.
        place: Returns the data URI of a place in an image, with boxes.
        cut: Whether images have several tiles. Pictures show the first.

    Returns:
        The HTML text.
    """
    with charts.unchecked():
        content = _content(facts, most_mistakes, picture, place)
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            content,
            **frame(),
            most_mistakes=most_mistakes,
            dataset=facts.dataset,
            positive=facts.positive_name,
            checksum=facts.checksum[: summary.CHECKSUM_DIGITS],
            words=facts.words,
            cut=cut and facts.boxes is None,
        )
    )


def environment(*folders: Path) -> jinja2.Environment:
    """Prepare templates: those of the report, with its filters, and those of other folders."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"value": write_value, "breakable": breakable, "tied": tied, "cut": cut_name}
    return made


def frame() -> dict[str, object]:
    """Return what a page needs around its content: style sheet, content security policy and scripts."""
    return {
        "style": Markup(theme.style_sheet() + "\n" + (FOLDER / "style.css").read_text(encoding="utf-8")),
        "policy": Markup(charts.content_security_policy()),
        "scripts": [Markup(script) for script in charts.scripts()],
    }


def _content(facts: Facts, most_mistakes: int, picture: Callable[[str], str], place: Picture) -> dict[str, object]:
    """Make the texts, figures, charts and pictures of the page."""
    of = facts.boxes
    return {
        "lede": summary.lede(facts) if of is None else box_summary.lede(facts, of),
        "picture": summary.picture(facts) if of is None else box_summary.picture(facts, of),
        "settings": summary.settings(facts),
        "headline": summary.headline(facts) if of is None else box_summary.headline(facts, of),
        "verdict": summary.verdict(facts),
        "test": summary.test_set(facts),
        "figures": summary.figures(facts),
        "explanations": warnings.explanations(facts),
        "findings": warnings.find(facts),
        "rows": rows(facts.task.parts(facts)),
        "galleries": galleries(facts, most_mistakes, picture)
        if of is None
        else box_galleries(facts, of, most_mistakes, place),
        "mistaken": int(facts.mistaken.sum()) if of is None else sum(of.counts()[1:]),
    }
