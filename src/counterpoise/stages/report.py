"""Write the HTML report and the model card.

Reads the results of the other stages: `data/classes.json`, `manifest.csv`, `rejected.csv`, `splits.csv`,
`clusters.csv`, `draws.csv`, `prior.json`, `tiles/train/`, `tiles/test/`; `models/model/model.json`, `decision.json`;
`results/train/`, `results/predictions/val.parquet`, `test.parquet`; of boxes, `data/boxes.csv` and
`results/detections/test/`; `reports/metrics.json`, `plots/`; and `NOTICE.txt` of the folder `ingest.root`. Writes
`reports/index.html`, a single file with embedded pictures, without network access, and `reports/model_card.md`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ConfigDict, Field

from counterpoise import storage
from counterpoise.artifacts import (
    boxes,
    classes,
    clusters,
    decision,
    detections,
    draws,
    manifest,
    metrics,
    model,
    plots,
    predictions,
    prior,
    rejected,
    splits,
    tile_boxes,
    tiles,
    training,
)
from counterpoise.config import CopyPaste, Epochs, Section, Seed, Visible
from counterpoise.stages import run

if TYPE_CHECKING:
    import pandas as pd

    from counterpoise.report.facts import Facts
    from counterpoise.report.scene_pictures import Picture
    from counterpoise.report.training_samples import Lesson

PATH = "reports/index.html"


class Report(Section):
    """Section `report`."""

    mistakes: int = Field(ge=0, le=200)
    """Largest number of wrongly decided test images to show as pictures."""


class Views(Section):
    """The part of section `oversample` that decides which views of a tile with boxes there are."""

    model_config = ConfigDict(extra="ignore")

    policy: str
    """Name of the augmentation policy that makes the views."""
    defer_frac: float = Field(ge=0, lt=1)
    """Share of the epochs that train without oversampling first."""
    copy_paste: CopyPaste
    """What is pasted onto views."""


class Shown(Section):
    """The part of section `train` that decides how an epoch changes the views of tiles with boxes."""

    model_config = ConfigDict(extra="ignore")

    seed: Seed
    """Random seed of augmentation."""
    epochs: Epochs
    """Maximum number of passes over all samples."""
    augment: str
    """Augmentation policy that is applied again each time that a tile is shown."""


class Params(Section):
    """Parameters that this stage reads."""

    report: Report
    seed: Seed
    """Seed of the views of tiles with boxes."""
    tile: Visible
    oversample: Views
    train: Shown


def _lesson(root: Path, train_tiles: tiles.Tiles, listed: pd.DataFrame, params: Params) -> Lesson:
    """Gather what decides the samples of the last epochs, as `train` does."""
    from counterpoise.dataset import box_examples
    from counterpoise.report import training_samples
    from counterpoise.report.training_samples import Lesson

    known, asked = prior.read(root), params.oversample.copy_paste
    assert isinstance(known, prior.BoxPrior)
    least, pasting = params.tile.min_visible, None
    if asked.frac:
        donors = box_examples.collect(
            train_tiles,
            listed,
            known.classes,
            asked.classes,
            margin_px=asked.margin_px,
            min_visible=least,
            seed=params.seed,
        )
        pasting = box_examples.Pasting(donors, asked.frac, asked.objects)
    views = box_examples.Views(params.oversample.policy, params.seed, least, np.array(known.drawn_boxes), pasting)
    count = 1 if params.oversample.defer_frac else training_samples.SAMPLES  # earlier epochs may have other draws
    epochs = tuple(range(params.train.epochs))[::-1][:count]
    drawn = draws.read(root, train_tiles)
    return Lesson(drawn, known.classes, views, params.train.augment, params.train.seed, epochs)


def _samples(root: Path, train_tiles: tiles.Tiles, params: Params) -> tuple[tuple[Picture, ...], ...]:
    """Draw what training sees of some tiles with boxes."""
    from counterpoise.report import page, training_samples
    from counterpoise.report.scene_pictures import Picture

    listed = tile_boxes.read(root, "train")
    found = training_samples.seen(train_tiles, listed, _lesson(root, train_tiles, listed, params))
    return tuple(tuple(Picture(page.data_uri(one.picture), one.words, one.words) for one in row) for row in found)


def _check_images(root: Path, facts: Facts, test_tiles: tiles.Tiles) -> None:
    """Check that all tables list the same images; `splits.join` has compared the splits with the manifest."""
    listed = root / manifest.PATH, facts.manifest["image_id"]
    storage.check_partners(root / clusters.PATH, facts.clusters["image_id"], *listed)
    storage.check_partners(*listed, root / clusters.PATH, facts.clusters["image_id"])
    of_test = root / predictions.path("test"), facts.test.image_ids
    storage.check_partners(test_tiles.index, test_tiles.table["image_id"], *of_test)
    storage.check_partners(*of_test, test_tiles.index, test_tiles.table["image_id"])


def main(root: Path, params: Params) -> None:
    """Read the artifacts of all stages and write the report."""
    from counterpoise.report.charts import render

    render.start()  # beside the imports of pandas, Altair and jinja2, which `check` does not need
    from counterpoise.report import model_card, page
    from counterpoise.report.facts import Facts
    from counterpoise.report.objects import objects
    from counterpoise.report.scene_pictures import draw

    split_of = splits.read(root)
    figures, best = metrics.read(root), training.best_epoch(root)
    decided, test = decision.read(root), predictions.read(root, "test")
    train_tiles, test_tiles = tiles.read(root, "train"), tiles.read(root, "test")
    facts = Facts(
        classes=classes.read(root),
        manifest=splits.join(root, manifest.read(root), split_of),
        rejected=rejected.read(root),
        splits=split_of,
        clusters=clusters.read(root),
        train_tiles=train_tiles.table,
        draws=draws.read(root, train_tiles),
        prior=prior.read(root),
        card=model.read_card(root),
        curves=training.read(root),
        best_epoch=None if best is None else best + 1,
        decision=decided,
        metrics=figures,
        checksum=hashlib.md5((root / metrics.PATH).read_bytes(), usedforsecurity=False).hexdigest(),
        tables={name: plots.read(root, name) for name in plots.COLUMNS},
        val=predictions.read(root, "val"),
        test=test,
        other_baseline=metrics.compare_with_commit(root, figures),
        boxes=None
        if decided.boxes is None
        else replace(
            objects(detections.read(root, "test"), boxes.read(root), decided.boxes, test.image_ids, test.classes),
            samples=_samples(root, train_tiles, params),
        ),
    )
    _check_images(root, facts, test_tiles)
    firsts = test_tiles.table["image_id"].drop_duplicates()
    row_of = dict(zip(firsts, firsts.index, strict=True))
    text = page.render(
        facts,
        params.report.mistakes,
        lambda image_id: page.encode(test_tiles.load(row_of[image_id])),
        lambda image_id, window, layers: page.data_uri(draw(test_tiles, image_id, window, layers)),
        cut=len(firsts) < len(test_tiles.table),
    )
    storage.write_text(root / PATH, text)
    model_card.write(root, facts, model_card.notice_of(root, facts))
    print(f"{PATH}: {len(text.encode()) / 2**20:.1f} MiB")


if __name__ == "__main__":
    run(main, Params)
