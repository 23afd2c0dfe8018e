"""Write the page that a person looks at.

Reads what every other stage says of its work: `data/classes.json`, `manifest.csv`, `rejected.csv`, `splits.csv`,
`clusters.csv`, `draws.csv`, `prior.json`, `tiles/train/`, `tiles/test/`; `models/model/model.json`, `decision.json`;
`results/train/`, `results/predictions/test.parquet`; `reports/metrics.json`, `plots/`. Writes `reports/index.html`:
one file without script or network, which holds its pictures.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import jinja2
from markupsafe import Markup, escape
from PIL import Image
from pydantic import Field

from counterpoise import images, report, storage
from counterpoise.artifacts import (
    classes,
    clusters,
    decision,
    draws,
    manifest,
    metrics,
    model,
    plots,
    predictions,
    prior,
    rejected,
    splits,
    tiles,
    training,
)
from counterpoise.config import Section
from counterpoise.report import summary, warnings
from counterpoise.report.charts.texts import write_count, write_value
from counterpoise.report.facts import Facts, counted
from counterpoise.report.layout import Part, rows
from counterpoise.report.sections import decisions, labels, prevalence, prior_ledger, scores
from counterpoise.report.sections import training as training_section
from counterpoise.report.sections.mistakes import galleries
from counterpoise.stages import run

PATH = "reports/index.html"
PICTURE_PX = 160
"""Longer side of a picture on the page."""
JPEG_QUALITY = 80
LONGEST_NAME = 40
"""Characters of a class name in the head of a table, or under a picture."""
TEMPLATES = Path(report.__file__).parent


class Report(Section):
    """Section `report`."""

    mistakes: int = Field(ge=0, le=200)
    """How many wrongly decided test images to show as pictures, at most."""


class Params(Section):
    """What this stage reads."""

    report: Report


def parts(facts: Facts) -> list[Part]:
    """Make the parts of the page, in the order of reading: how it ended, what it is worth, and how it came about."""
    return [
        prevalence.at_prevalences(facts),
        decisions.precision_recall(facts),
        decisions.calibration(facts),
        *(() if facts.many else (decisions.confusion(facts),)),
        scores.per_class(facts),
        *((decisions.confusion(facts), labels.thresholds(facts)) if facts.many else ()),
        *((labels.called(facts),) if labels.raised(facts) else ()),
        scores.ways(facts),
        training_section.stages(facts),
        *((labels.together(facts),) if labels.resampled(facts) else ()),
        training_section.training(facts),
        prior_ledger.ledger(facts),
    ]


def encode(data: bytes) -> str:
    """Shrink an encoded image to a JPEG of at most 160 px, as a data URI."""
    image = Image.fromarray(images.decode(data))
    image.thumbnail((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def breakable(text: str) -> Markup:
    """Let a browser break a long name after a dot, an underscore or a slash.

    Example:
        >>> breakable("a_b & c")
        Markup('a_<wbr>b &amp; c')
    """
    return Markup(re.sub(r"(?<=[._/])(?=\w)", "<wbr>", str(escape(text))))


def cut_name(text: str) -> str:
    """Cut a very long name where it would push everything else away.

    Example:
        >>> len(cut_name("x" * 200)), cut_name("short")
        (40, 'short')
    """
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def tied(text: str) -> str:
    """Keep a number with its per cent sign, and an interval, on one line.

    Example:
        >>> tied("4 % [0.1, 0.2]").replace(chr(160), "_")
        '4_% [0.1,_0.2]'
    """
    return re.sub(r"(?<=\d) (?=%)|(?<=\d), (?=[−\d.]+\])", lambda found: found[0].replace(" ", "\u00a0"), text)


def render(facts: Facts, params: Report, picture: Callable[[str], str], *, cut: bool) -> str:
    """Fill the template.

    Args:
        facts: The run.
        params: Section `report`.
        picture: From an image id to a data URI.
        cut: Whether images are cut into several tiles, of which pictures show the first.

    Returns:
        The page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"value": write_value, "breakable": breakable, "tied": tied, "cut": cut_name}
    return environment.get_template("index.html.j2").render(
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        lede=summary.lede(facts),
        picture=summary.picture(facts),
        settings=summary.settings(facts),
        tiles=summary.tiles(facts),
        test=f"Test: {counted(len(facts.borne), 'image')}, {write_count(facts.on_test.positives)} of the class that "
        "matters. Brackets: 95 % intervals. A tick is the value of guessing.",
        figures=summary.figures(facts),
        explanations=warnings.explanations(facts),
        findings=warnings.find(facts),
        rows=rows(parts(facts)),
        galleries=galleries(facts, params.mistakes, picture),
        wrong=int(facts.wrong.sum()),
        asked=params.mistakes,
        many=facts.many,
        cut=cut,
    )


def main(root: Path, params: Params) -> None:
    """Read everything, write the page."""
    best = training.best_epoch(root)
    facts = Facts(
        classes=classes.read(root),
        manifest=manifest.read(root),
        rejected=rejected.read(root),
        splits=splits.read(root),
        clusters=clusters.read(root),
        train_tiles=tiles.read(root, "train").table,
        draws=draws.read(root),
        prior=prior.read(root),
        card=model.read_card(root),
        curves=training.read(root),
        best_epoch=None if best is None else best + 1,
        decision=decision.read(root),
        metrics=metrics.read(root),
        tables={name: plots.read(root, name) for name in plots.COLUMNS},
        test=predictions.read(root, "test"),
    )
    test_tiles = tiles.read(root, "test")
    firsts = test_tiles.table["image_id"].drop_duplicates()
    row_of = dict(zip(firsts, firsts.index, strict=True))
    text = render(
        facts,
        params.report,
        lambda image_id: encode(test_tiles.load(row_of[image_id])),
        cut=len(firsts) < len(test_tiles.table),
    )
    storage.write_text(root / PATH, text)
    print(f"{PATH}: {len(text.encode()) / 2**20:.1f} MiB")


if __name__ == "__main__":
    run(main, Params)
