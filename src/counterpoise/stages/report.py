"""Write the page that a person looks at.

Reads what every other stage says of its work: `data/classes.json`, `manifest.csv`, `rejected.csv`, `splits.csv`,
`clusters.csv`, `prior.json`, `tiles/test/`; `models/model/model.json`, `decision.json`; `results/train/`,
`results/predictions/test.parquet`; `reports/metrics.json`, `plots/`. Writes `reports/index.html`: one file without
script or network, which holds its pictures.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from counterpoise import images, page, storage
from counterpoise.artifacts import (
    classes,
    clusters,
    decision,
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
from counterpoise.charts import write_count, write_value
from counterpoise.config import Section
from counterpoise.page import course, findings, headline, results
from counterpoise.page.facts import Facts, counted, quote
from counterpoise.stages import run

PATH = "reports/index.html"
PICTURE_PX = 160
"""Longer side of a picture on the page."""
JPEG_QUALITY = 80
TEMPLATES = Path(page.__file__).parent
PARTS = (
    course.stages,
    course.training,
    results.ways,
    results.per_class,
    results.confusion,
    results.precision_recall,
    results.calibration,
    course.ledger,
)


class Report(Section):
    """Section `report`."""

    mistakes: int = Field(ge=0, le=200)
    """How many wrongly decided test images to show as pictures, at most."""


class Params(Section):
    """What this stage reads."""

    report: Report


@dataclass(frozen=True)
class Mistake:
    """A wrongly decided image: its id, its classes, the probabilities of both, and the picture as a data URI."""

    image_id: str
    actual: str
    decided: str
    decided_prob: float
    actual_prob: float
    picture: str


@dataclass(frozen=True)
class Gallery:
    """Mistakes of one kind under a heading."""

    heading: str
    text: str
    mistakes: tuple[Mistake, ...]


def worst(facts: Facts, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pick the most confident mistakes: those with the highest probability of the class decided for.

    Args:
        facts: The run.
        most: How many at most.

    Returns:
        Rows of test: missed images of the class that matters, up to half of `most` (or more, where other mistakes are
        too few), and others; both by falling probability.
    """
    wrong = np.flatnonzero(facts.targets != facts.decided)
    confidence = facts.probs[wrong, facts.decided[wrong]]
    wrong = wrong[np.argsort(-confidence, kind="stable")]
    missed = facts.targets[wrong] == facts.positive
    first, others = wrong[missed], wrong[~missed]
    others = others[: most - min(len(first), most // 2)]
    return first[: most - len(others)], others


def galleries(facts: Facts, most: int, picture: Callable[[str], str]) -> tuple[Gallery, ...]:
    """Show the worst mistakes.

    Args:
        facts: The run.
        most: How many pictures at most.
        picture: From an image id to a data URI.

    Returns:
        Up to two galleries; empty ones are left out.
    """
    missed, others = worst(facts, most)
    of_all = facts.targets != facts.decided
    missed_of_all = int((of_all & (facts.targets == facts.positive)).sum())
    kinds = (
        (f"Missed: {quote(facts.positive_name)}", missed, missed_of_all),
        ("Other mistakes", others, int(of_all.sum()) - missed_of_all),
    )
    return tuple(
        Gallery(
            heading,
            f"{len(rows)} of {counted(total, 'such mistake')}, those with the highest probability of the class decided "
            "for first.",
            tuple(_mistake(facts, int(row), picture) for row in rows),
        )
        for heading, rows, total in kinds
        if len(rows)
    )


def _mistake(facts: Facts, row: int, picture: Callable[[str], str]) -> Mistake:
    actual, decided = int(facts.targets[row]), int(facts.decided[row])
    image_id = facts.test.image_ids[row]
    probs = facts.probs[row]
    return Mistake(
        image_id, facts.names[actual], facts.names[decided], probs[decided], probs[actual], picture(image_id)
    )


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
    environment.filters |= {"value": write_value, "breakable": breakable}
    return environment.get_template("index.html.j2").render(
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        lede=headline.lede(facts),
        settings=headline.settings(facts),
        tiles=headline.tiles(facts),
        test=f"Test: {counted(len(facts.targets), 'image')}, "
        f"{write_count(facts.confusion[facts.positive].sum())} of the class that matters. Brackets: 95 % intervals.",
        figures=headline.figures(facts),
        explanations=findings.explanations(facts),
        findings=findings.find(facts),
        parts=[part(facts) for part in PARTS],
        galleries=galleries(facts, params.mistakes, picture),
        wrong=int((facts.targets != facts.decided).sum()),
        asked=params.mistakes,
        cut=cut,
    )


def main(root: Path, params: Params) -> None:
    """Read everything, write the page."""
    best = storage.read_json(root / training.FOLDER / "metrics.json").get("best_epoch")
    facts = Facts(
        classes=classes.read(root),
        manifest=manifest.read(root),
        rejected=rejected.read(root),
        splits=splits.read(root),
        clusters=clusters.read(root),
        prior=prior.read(root),
        card=model.read_card(root),
        curves=training.read(root),
        best_epoch=None if best is None else int(best) + 1,
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
