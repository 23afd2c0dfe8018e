import dataclasses
import hashlib
import html
import html.parser
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from tests import pages

from counterpoise import config, labels, storage
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
from counterpoise.artifacts.positive import Positive
from counterpoise.calibration import prior_ledger
from counterpoise.decision import rules
from counterpoise.imbalance import label_imbalance
from counterpoise.report import model_card, warnings
from counterpoise.report.charts import render
from counterpoise.report.summary import MEANINGS
from counterpoise.report.texts import figure_name
from counterpoise.stages import decide, evaluate, report
from counterpoise.storage import ArtifactError

HOSTILE = ('<script>alert(1)</script> & "x"', "it's <b>bold</b>", "日本語の長いクラス名", "&amp; {{ 7 * 7 }} {% raw %}")


def asked(mistakes: int) -> report.Params:
    """Return the parameters that ship, with another number of pictures."""
    shipped = config.read(Path(__file__).resolve().parents[2], report.Params)
    return shipped.model_copy(update={"report": report.Report(mistakes=mistakes)})


PARAMS = asked(6)
ANCHORS = (
    "headline",
    "prevalence",
    "precision-recall",
    "calibration",
    "confusion",
    "per-class",
    "ways",
    "classes",
    "training",
    "ledger",
    "mistakes",
)
SYSTEM_D = [1e-4, 1e-5, 1e-6, 1e-7, 1e-8]
"""Its learning rate, divided by ten every epoch."""


class Page(html.parser.HTMLParser):
    """What a browser without scripts sees: tags with attributes, and texts outside of style and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.headings: list[str] = []
        self.texts: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "h2" and data.strip():
            self.headings.append(data.strip())
        if self.inside not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(autouse=True)
def equal_charts_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pages.make_once(monkeypatch)


@pytest.fixture
def blank_charts(equal_charts_are_drawn_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pages.leave_charts_blank(monkeypatch)


without_charts = pytest.mark.usefixtures("blank_charts")
"""For tests that read no more of charts than their descriptions."""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Give `build_anew`, which builds but once for equal settings."""
    built: dict[str, Path] = {}

    def build_once(root: Path, *names: Any, **settings: Any) -> None:
        key = repr((names, settings))
        if key not in built:
            built[key] = tmp_path_factory.mktemp("built")
            build_anew(built[key], *names, **settings)
        shutil.copytree(built[key], root, dirs_exist_ok=True)

    return build_once


def build_anew(
    root: Path,
    names: tuple[str, ...] = ("plain", "rare"),
    *,
    task: str = "multiclass",
    test_counts: Sequence[int] | None = None,
    val_counts: Sequence[int] | None = None,
    unit_sizes: Sequence[int] | None = None,
    rates: Sequence[float] = (1e-3, 9e-4, 5e-4, 2e-4),
    losses: Sequence[float] = (1.2, 0.8, 0.6, 0.5),
    ledger: tuple[prior_ledger.Line, ...] = (),
    skill: float = 1.5,
    draws_of: Sequence[int] = (1,),
    **decide_as: Any,
) -> None:
    """Write every artifact that the page is made from, about 10 images per class and split; decide and score for real.

    For multilabel, every third image has the next class too. `draws_of` says how often training tiles are repeated, in
    turn. `unit_sizes` says for each class how many images in turn are of one group and resemble each other.
    """
    rng = np.random.default_rng(0)
    count, many = len(names), task == "multilabel"
    test_counts = [10] * count if test_counts is None else test_counts
    val_counts = [10] * count if val_counts is None else val_counts
    rows, groups = [], []
    for class_, name in enumerate(names):
        for split, number in (("train", 12 - class_ % 3), ("val", val_counts[class_]), ("test", test_counts[class_])):
            for copy in range(number):
                also = [names[(class_ + 1) % count]] if many and copy % 3 == 0 and number else []
                rows.append((labels.join([name, *also]), split))
                size = 1 if unit_sizes is None else unit_sizes[class_]
                groups.append(len(rows) - 1 - copy % size)
    ids = [f"images/{number:05}.png" for number in range(len(rows))]
    units = [ids[first] for first in groups]
    cells = [cell for cell, _ in rows]
    table = pd.DataFrame({"image_id": ids, "path": [f"data/raw/{image}" for image in ids], "labels": cells})
    table = table.assign(raw_labels=cells, group=units, split="", width_px=20, height_px=10, sha256="0" * 64)
    counts = tuple(labels.counts(cells, names).tolist())
    manifest.write(root, table)
    classes.write(root, classes.Classes(tuple(names), counts, len(ids)))
    refused = [("labels.csv row 3", "<img src=x>.png", "rejected", "the file is <empty>")]
    rejected.write(root, pd.DataFrame(refused, columns=list(rejected.COLUMNS)))
    splits.write(root, pd.DataFrame({"image_id": ids, "split": [split for _, split in rows]}))
    alone = pd.DataFrame({"image_id": ids, "unit": units, "centre": ids, "kind": "single", "correlation": 1.0})
    clusters.write(root, alone)
    buffer = io.BytesIO()
    Image.new("RGB", (200, 300), "teal").save(buffer, "PNG")
    for split in ("train", "test"):
        with tiles.writing(root, split) as append:
            for image_id, (cell, side) in zip(ids, rows, strict=True):
                if side == split:
                    append(tiles.Tile(image_id, image_id, cell, (0, 0, 200, 300), buffer.getvalue()))
    train = tiles.read(root, "train").table
    repeats = np.resize(np.array(draws_of), len(train))
    drawn = train.loc[train.index.repeat(repeats), ["tile_id"]].assign(view=0)
    draws.write(root, drawn.reset_index(drop=True))
    borne = labels.indicators(train["labels"].tolist(), names)
    ledger = ledger or (
        prior_ledger.Line("split", "train", (1.0,) * count),
        prior_ledger.Line("oversample.strategy", "none", (1.0,) * count),
        prior_ledger.Line("weighting.scheme", "stated", tuple(np.linspace(1.0, 2.0, count).tolist())),
        prior_ledger.Line("loss", "cross_entropy", (1.0,) * count),
    )
    opened = prior.Prior(
        task,
        tuple(names),
        counts,
        tuple(borne.sum(axis=0).tolist()),
        tuple((borne * repeats[:, None]).sum(axis=0).tolist()),
        len(ids),
        len(train),
        int(repeats.sum()),
        ledger[:2],
        tuple(map(tuple, label_imbalance.pairs(borne, np.ones(len(train), dtype=np.int64)).tolist())) if many else (),
        tuple(map(tuple, label_imbalance.pairs(borne, repeats).tolist())) if many else (),
    )
    prior.write(root, opened)
    card = model.Card(
        task,
        "tiny",
        "linear",
        0.2,
        160,
        True,
        "bundled",
        tuple(names),
        "cross_entropy",
        ledger,
        pool="avg",
        hidden=512,
        width=8,
    )
    (root / model.FOLDER).mkdir(parents=True)
    model.write(root, card, {})
    for split in ("val", "test"):
        part = table[[side == split for _, side in rows]]
        truth = labels.indicators(part["labels"].tolist(), names)
        logits = (rng.normal(size=truth.shape) + skill * truth).astype(np.float32)
        image_ids, of_unit = tuple(part["image_id"]), tuple(part["group"])
        if unit_sizes is not None:
            codes = np.unique(of_unit, return_inverse=True)[1]
            logits += 2 * rng.normal(size=(codes.max() + 1, count)).astype(np.float32)[codes]
        found = predictions.Predictions(image_ids, of_unit, tuple(part["labels"]), tuple(names), logits)
        predictions.write(root, split, found)
    block = {
        "calibrator": "auto",
        "target": "natural",
        "rule": "balanced",
        "costs": {},
        "beta": 1.0,
        "floor": 0.8,
        "false_alarms": 1.0,
    }
    block |= {
        "unlabelled": "data/unlabelled",
        "at_least": 0,
        "min_positives": 5,
        "search_positives": 1000,
        "density": {},
        **decide_as,
    }
    matters = decide.Matters(Positive(names[-1], "as evaluate.positive states it"), (0.05, 0.01))
    asked = evaluate.Evaluate(positive=names[-1], at_prevalence=(0.05, 0.01), resamples=100)
    settings = decide.Decide.model_validate(block)
    decision.write(root, decide.choose(predictions.read(root, "val"), opened, ledger, settings, matters))
    evaluate.main(root, evaluate.Params(seed=0, evaluate=asked))
    write_curves(root, rates, losses)


def write_curves(root: Path, rates: Sequence[float], losses: Sequence[float]) -> None:
    folder = root / training.FOLDER / "plots" / "metrics"
    for name, values in (("learning_rate", rates), ("train/loss", losses), ("val/loss", losses)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{step}\t{value}" for step, value in enumerate(values)]
        (folder / f"{name}.tsv").write_text("\n".join(["step\tvalue", *lines]))
    set_best_epoch(root, 1)
    for curve in folder.rglob("*.tsv"):
        storage.record(curve, root / training.SUMS)


def set_best_epoch(root: Path, epoch: int) -> None:
    path = root / training.FOLDER / "metrics.json"
    path.write_text(json.dumps({"best_epoch": epoch}))
    storage.record(path, root / training.SUMS)


known_pages: dict[str, tuple[str, str]] = {}
"""Pages and model cards by a hash of the parameters and of all files that they are made from."""


def made(root: Path, params: report.Params = PARAMS) -> str:
    """Make the page, which is the same for equal files."""
    known = hashlib.sha256(f"{params.model_dump_json()}{render._draw(render.FIRST).result()}".encode())
    written = [root / report.PATH, root / model_card.PATH]
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path not in written):
        known.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    if (key := known.hexdigest()) not in known_pages:
        report.main(root, params)
        page, card = (path.read_text(encoding="utf-8") for path in written)
        known_pages[key] = page, card
    for path, text in zip(written, known_pages[key], strict=True):
        path.write_text(text, encoding="utf-8")
    return known_pages[key][0]


def carded(root: Path) -> str:
    """Make the model card."""
    made(root)
    return (root / model_card.PATH).read_text(encoding="utf-8")


MANY = tuple(f"class {number}" for number in range(25))
"""More classes than charts show."""


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("names", [("plain", "rare"), HOSTILE, MANY], ids=["two", "hostile", "many"])
def test_the_page_holds_every_section_and_a_text_for_every_picture(tmp_path, names, task, build):
    build(tmp_path, names, task=task)
    page = Page(made(tmp_path))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert set(ANCHORS) <= set(ids)
    assert ("thresholds" in ids) == (task == "multilabel")
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.named("a")} <= set(ids)
    assert page.named("svg")
    assert all(attributes.get("aria-label") for attributes in page.named("svg"))
    assert page.named("img")
    assert all(attributes.get("alt") for attributes in page.named("img"))
    assert "nan" not in page.text.lower().split()


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("names", [("plain", "rare"), HOSTILE, MANY], ids=["two", "hostile", "many"])
def test_the_model_card_is_one_that_hugging_face_reads_with_the_figures_of_metrics_json(tmp_path, names, task, build):
    build(tmp_path, names, task=task)
    text = carded(tmp_path)
    head = ModelCard(text).data
    (task_type,) = {found.task_type for found in head.eval_results}
    assert task_type == head.pipeline_tag == "image-classification"
    figures = metrics.read(tmp_path).figures
    known = {name for name in figures if not name.startswith(("no_skill", "test_", "classes_"))}
    assert [found.metric_value for found in head.eval_results] == [figures[name] for name in figures if name in known]
    assert {"license", "license_name", "library_name", "tags", "metrics"} <= set(head.to_dict())
    body = text.split("---", 2)[2]
    for heading in ("Intended use", "Data", "Training", "Decision", "Figures on test", "Limits", "Licences"):
        assert f"## {heading}" in body
    assert not re.search(r"\bnan\b|\bNone\b", body)
    rows = [[line for line in part.splitlines() if line.startswith("|")] for part in body.split("\n\n")]
    for table in rows:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) <= 1, table
    assert not re.search(r"(?<!\\)<(?!/?(?:details|summary))", re.sub(r"(`+) ?.*?\1", "", body)), "no tag but in code"


@without_charts
def test_the_model_card_quotes_the_notice_and_says_where_there_is_none(tmp_path, build):
    build(tmp_path)
    assert "Licence and sources of the images are not stated." in carded(tmp_path)
    (tmp_path / "data/raw").mkdir(exist_ok=True)
    (tmp_path / "data/raw" / model_card.NOTICE).write_text("Photos (c) somebody, CC BY 4.0\n\nAsk <them>.\n")
    text = carded(tmp_path)
    assert "> Photos (c) somebody, CC BY 4.0  \n>\n> Ask \\<them\\>.  \n" in text
    assert "not stated" not in text
    (tmp_path / "data/raw" / model_card.NOTICE).write_bytes(b"\xff")
    with pytest.raises(ArtifactError, match=r"^data/raw/NOTICE\.txt: not UTF-8 \(.*; save it as UTF-8"):
        made(tmp_path)


@without_charts
def test_the_model_card_lists_each_variant_and_every_warning_of_the_page(tmp_path, build):
    build(tmp_path, test_counts=(10, 3))
    text = carded(tmp_path)
    scores = plots.read(tmp_path, "scores").set_index(["figure", "way"])["value"].to_dict()
    cells = [f"{scores['balanced_accuracy', way]:.3f} [" for way in ("raw", "calibrated", "decided")]
    row = next(line for line in text.splitlines() if line.startswith("| balanced accuracy |"))
    assert all(cell in part for cell, part in zip(cells, row.split("|")[2:5], strict=True))
    assert "**Not usable: only 3 test images show “rare”.**" in text
    assert "fewer than 10 units in test" in text[text.index("## Limits") :]
    assert "| `rare` | 3 (only 3 units) |" in text
    assert "× `weighting.scheme` = `stated` | 2.000 |" in text


@without_charts
def test_equal_artifacts_give_equal_bytes_of_the_card_and_export_takes_a_copy(tmp_path, build):
    with pytest.raises(ArtifactError, match=r"reports/model_card\.md does not exist; run `dvc repro`"):
        model_card.copy_into(tmp_path, tmp_path)
    build(tmp_path)
    report.main(tmp_path, PARAMS)
    first = (tmp_path / model_card.PATH).read_bytes()
    report.main(tmp_path, PARAMS)
    assert (tmp_path / model_card.PATH).read_bytes() == first
    assert model_card.copy_into(tmp_path, tmp_path).read_bytes() == first
    assert (tmp_path / "README.md").exists()


def test_hostile_names_are_text_and_nothing_else(tmp_path, build):
    build(tmp_path, HOSTILE)
    text = made(tmp_path)
    page = Page(text)
    assert not page.named("b")
    kinds = [attributes.get("type") for attributes in page.named("script")]
    assert kinds.count("application/json") == len(page.named("svg"))
    assert [kind for kind in kinds if kind != "application/json"] == [None, None]
    assert all(attributes["src"].startswith("data:image/jpeg;base64,") for attributes in page.named("img"))
    assert text.count("<script") == len(kinds)
    for name in HOSTILE:
        assert " ".join(name.split()) in page.text
    assert "the file is <empty>" in page.text


def test_figures_of_another_test_set_than_in_the_last_commit_are_a_warning(tmp_path, build):
    build(tmp_path)
    said = "This run cannot be compared with the last commit"
    path = tmp_path / metrics.PATH
    text = path.read_text()

    def commit() -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        for command in (["init"], ["add", metrics.PATH], [*identity, "commit", "-m", "figures"]):
            subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)

    assert said not in made(tmp_path)
    commit()
    assert said not in made(tmp_path)
    path.write_text(text.replace('"test_images": 20', '"test_images": 21'))
    commit()
    path.write_text(text)
    page = Page(made(tmp_path)).text
    assert said in page
    assert "As this page is written, the last commit has figures of other test images: 21, of which" in page


def test_the_page_loads_nothing(tmp_path, build):
    build(tmp_path)
    text = re.sub(r"<script>.*?</script>", "", made(tmp_path), flags=re.DOTALL)
    loads = re.findall(r"""(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", text)
    assert all(target.startswith(("data:", "#")) for target in loads)
    assert "url(" not in text
    assert "@import" not in text


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_figures_of_metrics_json_are_on_the_page(tmp_path, task, build):
    build(tmp_path, task=task)
    text = Page(made(tmp_path)).text
    figures = metrics.read(tmp_path).figures
    for name, value in figures.items():
        written = f"{value:.3f}" if isinstance(value, float) else str(value)
        meaning = MEANINGS[name.removesuffix("_raw")] + (", without rule" if name.endswith("_raw") else "")
        assert f"{figure_name(name)} {meaning} {written}" in text
    assert "Test: 20 images, " in text


def test_undefined_figures_are_said_to_be_so(tmp_path, build):
    build(tmp_path, ("a", "b", "rare"), test_counts=[12, 12, 0])
    text = Page(made(tmp_path)).text
    assert "n/a" in text
    assert "Average precision, ROC AUC and recall are undefined. No test image has class 'rare'." in text
    assert "0 of 0 images" not in text


@without_charts
def test_a_class_without_test_images_is_named(tmp_path, build):
    build(tmp_path, ("a", "b", "absent", "rare"), test_counts=[12, 12, 0, 12])
    assert (
        "1 class is absent from test. There are no figures for “absent”. Means over classes leave out what is absent."
        in Page(made(tmp_path)).text
    )


@without_charts
def test_the_headline_says_that_too_few_test_images_have_the_class_that_matters(tmp_path, build):
    build(tmp_path / "few", ("a", "b", "rare"), test_counts=[60, 40, 6])
    build(tmp_path / "one", ("a", "b", "rare"), test_counts=[60, 40, 1])
    build(tmp_path / "enough", ("a", "b", "rare"), test_counts=[60, 40, 10])
    few, one, enough = (Page(made(tmp_path / name)).text for name in ("few", "one", "enough"))
    assert re.search(
        r"Finds 5 of 6 test images of “rare”\. .* Uncertain: recall, the share found, may be \d+ % to >?\d+ % "
        r"\(95 % interval\)\.",
        few.replace("\xa0", " "),
    )
    assert few.count("Only 6 test images show “rare”: too few to judge the model.") == 1
    assert "Finds the only test image of “rare” (only 1 unit)." in one
    assert one.count("Not usable: only 1 test image shows “rare”. One unit does not show how others differ") == 1
    assert "Uncertain" not in one
    for text in (few, one):
        assert "Next: label more images of “rare”, until test has at least 10 separate ones." in text
    assert "too few to judge" not in enough


def change(root: Path, table: str, rows: dict[str, tuple[float, float, float]], **where: str) -> None:
    """Write other values and intervals into the rows of a table, by figure."""
    found = plots.read(root, table)
    for figure, values in rows.items():
        chosen = found["figure"] == figure
        for column, value in where.items():
            chosen &= found[column] == value
        found.loc[chosen, ["value", "low", "high"]] = values
    plots.write(root, {name: plots.read(root, name) for name in plots.COLUMNS} | {table: found})


@pytest.mark.parametrize(
    ("gain", "text"),
    [
        (
            (-0.1, -0.15, -0.05),
            "Calibration lowered the Brier score, the mean squared error of the probabilities",
        ),
        ((0.1, 0.05, 0.15), "Calibration raised the Brier score"),
        ((-0.1, -0.25, 0.05), "No clear change of the Brier score"),
        ((-0.1, np.nan, np.nan), "is not compared: the difference has no interval"),
    ],
)
@without_charts
def test_calibration_lowered_an_error_only_if_the_interval_of_the_difference_says_so(tmp_path, gain, text, build):
    build(tmp_path)
    change(tmp_path, "differences", {"brier_score": gain})
    page = Page(made(tmp_path)).text
    assert text in page
    assert page.lower().count("the brier score, the mean squared error") == 1


@without_charts
def test_gains_and_losses_of_the_decision_are_named_by_their_intervals(tmp_path, build):
    build(tmp_path)
    figures = ("balanced_accuracy", "accuracy", "macro_f1", "matthews")
    change(tmp_path, "scores", dict.fromkeys(figures, (0.5, 0.4, 0.6)), way="raw")
    change(tmp_path, "scores", dict.fromkeys(figures, (0.6, 0.5, 0.7)), way="decided")
    gains = [(0.1, 0.02, 0.18), (-0.1, -0.15, -0.05), (0.1, -0.02, 0.22), (0.1, np.nan, np.nan)]
    change(tmp_path, "differences", dict(zip(figures, gains, strict=True)))
    assert (
        "It raised balanced accuracy (0.50 to 0.60, +0.10 [+0.02, +0.18]) and lowered accuracy (0.50 to 0.60, −0.10 "
        "[−0.15, −0.05]). No clear change: macro F1 (0.50 to 0.60, +0.10 [−0.02, +0.22]). Without an interval, so not "
        "compared: Matthews correlation (0.50 to 0.60, +0.10)."
    ) in Page(made(tmp_path)).text.replace("\xa0", " ")


def test_a_test_split_without_the_class_that_matters_gives_a_page(tmp_path, build):
    build(tmp_path, ("a", "b", "rare"), test_counts=[12, 12, 0])
    text = Page(made(tmp_path)).text
    assert "None of the 24 test images has “rare”, so this run cannot judge the model on it." in text
    assert "there is no curve" in text


@without_charts
def test_many_classes_are_folded_and_their_confusion_is_a_table(tmp_path, build):
    build(tmp_path, MANY)
    page = Page(made(tmp_path))
    assert not [a for a in page.named("svg") if a["aria-label"].startswith("Confusion matrix")]
    assert "most confused of" in page.text
    assert "The other 5 classes" in page.text
    assert "All 25 classes" in page.text


def test_a_threshold_is_marked_with_two_classes_and_a_decision_with_more(tmp_path, build):
    build(tmp_path / "two")
    build(tmp_path / "three", ("a", "b", "rare"))
    two, three = Page(made(tmp_path / "two")).text, Page(made(tmp_path / "three")).text
    assert "at the threshold: recall" in two
    assert "can be off the curve" not in two
    assert "current decision: recall" in three
    assert "can be off the curve" in three


@without_charts
def test_a_vanished_learning_rate_and_a_loss_that_hardly_changes_are_warned_of(tmp_path, build):
    build(tmp_path, rates=SYSTEM_D, losses=[0.9, 0.501, 0.5, 0.5, 0.5])
    text = Page(made(tmp_path)).text
    assert "The learning rate vanished after epoch 2 of 5." in text
    assert "The training loss hardly changed: from epoch 2 to 5" in text


def test_healthy_training_is_not_warned_of(tmp_path, build):
    build(tmp_path)
    text = Page(made(tmp_path)).text
    assert "vanished" not in text
    assert "hardly changed" not in text


def the_ledger_of(*factors: float) -> tuple[prior_ledger.Line, ...]:
    return (
        prior_ledger.Line("split", "train", (1.0, 1.0)),
        prior_ledger.Line("oversample.strategy", "none", (1.0, 1.0)),
        prior_ledger.Line("weighting.scheme", "negatives_over_positives", factors or None),
    )


def test_too_many_labels_under_a_threshold_of_a_half_are_shown_and_undone(tmp_path, build):
    """System D: `pos_weight` w makes w p / (w p + 1 - p) of p."""
    build(tmp_path, task="multilabel", ledger=the_ledger_of(9.0, 4.0), skill=3.0)
    page, logits = Page(made(tmp_path)), predictions.read(tmp_path, "test").logits
    probs = 1 / (1 + np.exp(-logits.astype(float)))
    raw, moved = int((probs >= 0.5).sum()), int((probs >= [0.9, 0.8]).sum())
    assert raw > 1.2 * 28 > moved > 0
    assert "called" in {attributes.get("id") for _, attributes in page.tags}
    assert f"Test has 28 labels. On raw outputs, a threshold of 0.5 decides {raw} and " in page.text
    assert f"the corrected threshold decides {moved}. Rule “balanced” decides " in page.text
    assert f"A threshold of 0.5 on raw outputs decides {raw} labels, but test has 28." in page.text
    assert "0.5 means 0.1" in page.text
    assert "so does the offset that the ledger adds to the logits" in page.text


@without_charts
def test_a_calibrator_that_learned_the_prior_is_said_to_have_undone_the_ledger(tmp_path, build):
    build(tmp_path, task="multilabel", ledger=the_ledger_of(9.0, 4.0), skill=3.0, calibrator="platt")
    text = Page(made(tmp_path)).text
    assert "so does “platt”, which learned the odds of validation." in text
    assert "“platt” learned the prior of validation, so step 1 adds nothing." in text


@without_charts
def test_an_unknown_factor_of_the_odds_is_called_so(tmp_path, build):
    build(tmp_path, task="multilabel", ledger=the_ledger_of(), skill=3.0, calibrator="platt")
    text = Page(made(tmp_path)).text
    assert "cannot be calculated here, so only calibration can undo it" in text
    assert "w / (1 + w)" not in text


@pytest.mark.parametrize(("task", "factors"), [("multilabel", (1.0, 1.0)), ("multiclass", (1.0, 4.0))])
@without_charts
def test_a_remedy_that_did_not_raise_odds_of_labels_is_not_mentioned(tmp_path, task, factors, build):
    build(tmp_path, task=task, ledger=the_ledger_of(*factors))
    page = Page(made(tmp_path))
    assert "called" not in {attributes.get("id") for _, attributes in page.tags}
    assert "raw outputs decides" not in page.text


@pytest.mark.parametrize(("losses", "warned"), [((0.9, 0.6, 0.5), True), ((0.9, 0.5, 0.6), False)])
@without_charts
def test_a_last_epoch_that_was_kept_is_warned_of_where_it_was_the_best(tmp_path, losses, warned, build):
    build(tmp_path, rates=[0.1, 0.1, 0.1], losses=losses)
    set_best_epoch(tmp_path, 2)
    assert ("The best epoch is the last one (3)" in Page(made(tmp_path)).text) == warned


def test_a_penalty_path_is_shown_in_place_of_epochs(tmp_path, build):
    build(tmp_path, rates=[0.1, *5 * [0.0]], losses=[0.9, 0.6, 0.7, 0.65, 0.8, 0.5])
    folder = tmp_path / training.FOLDER / "plots" / "metrics"
    columns = {"penalty": [1.0, 0.1, 0.01, 0.1, 0.01, 0.001], "floor": [1.0] * 3 + [0.001] * 3}
    for name, values in columns.items():
        lines = [f"{step}\t{value}" for step, value in enumerate(values)]
        (folder / f"{name}.tsv").write_text("\n".join(["step\tvalue", *lines]))
        storage.record(folder / f"{name}.tsv", tmp_path / training.SUMS)
    set_best_epoch(tmp_path, 5)
    page = Page(made(tmp_path))
    assert (
        "was fitted 6 times along a path of falling L2 penalties, and the fit with a penalty of 0.001 was" in page.text
    )
    assert "x of the L2 penalty 10^-x, from strong to weak" in page.text
    assert "The best epoch is the last one" not in page.text
    assert "The learning rate vanished" not in page.text


@without_charts
def test_an_interval_that_contains_no_skill_is_warned_of(tmp_path, build):
    build(tmp_path, skill=0.0)
    assert "may have no skill." in Page(made(tmp_path)).text


@without_charts
def test_labels_that_share_a_calibration_and_a_floor_out_of_reach_are_warned_of(tmp_path, build):
    names = ("a", "b", "rare")
    build(tmp_path, names, task="multilabel", rule="precision_floor", floor=0.95, min_positives=30, skill=0.5)
    text = Page(made(tmp_path)).text
    assert "The requested precision is unattainable for" in text
    assert "labels have no calibration of their own" in text
    assert "unattainable" in text
    assert "Rule “precision_floor” finds no threshold on validation for any label: none is ever decided." in text
    assert "3 labels have that of all labels together (pooled): validation has too few images with" in text


@without_charts
def test_resampled_labels_show_which_occur_together(tmp_path, build):
    build(tmp_path / "plain", ("a", "b", "c"), task="multilabel")
    build(tmp_path / "drawn", ("a", "b", "c"), task="multilabel", draws_of=(3, 1, 1))
    before, after = (Page(made(tmp_path / name)) for name in ("plain", "drawn"))
    assert "Labels that occur together" not in before.headings
    assert "Labels that occur together" in after.headings
    assert "Repeating a tile repeats all its labels." in after.text


@without_charts
def test_the_fall_of_system_a_is_explained_by_its_prevalence(tmp_path, build):
    """Validated on 784 : 784, tested on [[2615, 247], [15, 122]]: a precision of 33 % was expected from validation."""
    names = ("no panel", "panel")

    def decided(split: str, tp: int, fp: int, fn: int, tn: int) -> predictions.Predictions:
        actual = [1] * tp + [0] * fp + [1] * fn + [0] * tn
        says = [1] * (tp + fp) + [0] * (fn + tn)
        ids = tuple(f"{split}{number:05}" for number in range(len(actual)))
        logits = np.array([[0.0, 2.0 if one else -2.0] for one in says], dtype=np.float32)
        return predictions.Predictions(ids, ids, tuple(names[k] for k in actual), names, logits)

    val, test = decided("val", 674, 67, 110, 717), decided("test", 122, 247, 15, 2615)
    opened = prior.Prior("multiclass", names, (2862, 138), (784, 784), (784, 784), 3000, 1568, 1568, ())
    block = {
        "calibrator": "none",
        "target": "natural",
        "rule": "balanced",
        "costs": {},
        "beta": 1.0,
        "floor": 0.8,
        "false_alarms": 1.0,
    }
    settings = decide.Decide.model_validate(
        block
        | {"unlabelled": "data/unlabelled", "at_least": 0, "min_positives": 5, "search_positives": 1000, "density": {}}
    )
    matters = decide.Matters(Positive("panel", "as evaluate.positive states it"), ())
    scored = evaluate.Evaluate(positive="panel", at_prevalence=(), resamples=100)
    ledger = (
        prior_ledger.Line(
            "split", "train", prior_ledger.factors((2862, 138), (784, 784), (3000, 1568), task="multiclass")
        ),
    )
    chosen = decide.choose(val, opened, ledger, settings, matters)
    assert chosen.val_decided[1] == (674, 67, 110, 717)
    _, tables = evaluate.score(test, chosen, scored, seed=0)
    build(tmp_path, names)  # the rest of the artifacts
    predictions.write(tmp_path, "test", test)
    decision.write(tmp_path, chosen)
    plots.write(tmp_path, tables)
    with tiles.writing(tmp_path, "test") as append:
        for image_id, labels_of in zip(test.image_ids, test.labels, strict=True):
            append(tiles.Tile(image_id, image_id, labels_of, (0, 0, 1, 1), b"not shown"))
    text = Page(made(tmp_path, asked(0))).text
    assert "The share of “panel” is 50 % in validation and 4.6 % in test." in text
    assert "it is 86 % on validation and 89 % on test" in text
    assert re.search(r"from validation is 0\.33 \[0\.2[5-9], 0\.3[6-9]\]; measured on test: 0\.33 ", text)
    assert "contains 0: the change of the share alone can explain why precision fell." in text
    assert "raw logits without correction and rule" not in text  # which changed nothing


def test_the_page_says_what_correction_and_rule_regain_at_the_prevalence_of_deployment(tmp_path, build):
    build(tmp_path)
    page = Page(made(tmp_path))
    rows = plots.read(tmp_path, "prevalence").set_index(["place", "way", "figure"])["value"]
    texts = [f"{rows['target', way, 'precision']:.2f}" for way in ("raw", "raw expected", "as it is")]
    assert texts[0] != texts[2]
    assert re.search(
        rf"raw logits without correction and rule .* have precision {texts[0]} \[.*"
        rf"expected from validation: {texts[1]} \[.*Re-decided, precision is {texts[2]} ",
        page.text,
    )


def test_a_cosine_schedule_to_zero_has_not_vanished():
    rates = (1 + np.cos(np.linspace(0, np.pi, 40))) / 2
    assert warnings.idle_from(rates.tolist()) is None


@without_charts
def test_an_estimated_target_is_stated_with_its_interval_and_its_check(tmp_path, build):
    build(tmp_path)
    chosen = decision.read(tmp_path)
    rests_on = decision.Estimated(1200, (0.42, 0.41), (0.59, 0.58), 31, 0.5, 0.37, "Some changes stay unnoticed.")
    decision.write(tmp_path, dataclasses.replace(chosen, estimated=rests_on))
    page = Page(made(tmp_path)).text
    assert "estimated from 1,200 unlabelled images of deployment: “rare”" in page
    assert "95 % interval 0.410 to 0.580" in page
    assert "look the same there as in validation. Their scores do not contradict this (p = 0.37). Some" in page
    assert "Some changes stay unnoticed." in page
    assert "target, 95 % interval" in page


@without_charts
def test_a_ledger_that_changed_nothing_says_so_and_folds_its_table(tmp_path, build):
    ones = (1.0, 1.0)
    lines = (("split", "train"), ("oversample.strategy", "none"), ("weighting.scheme", "none"), ("loss", "focal"))
    build(tmp_path, ledger=tuple(prior_ledger.Line(piece, value, ones) for piece, value in lines))
    same = dataclasses.replace(decision.read(tmp_path), val_offset=(0.0, 0.0), target_offset=(0.0, 0.0))
    decision.write(tmp_path, same)
    page = Page(made(tmp_path)).text
    assert "Nothing changed the class prior in training by more than 5 %, so no correction was needed." in page
    assert page.index("All steps of the ledger") < page.rindex("in the labels")


@without_charts
def test_recall_that_differs_between_validation_and_test_is_warned_about(tmp_path, build):
    build(tmp_path)
    chosen = decision.read(tmp_path)
    same = dataclasses.replace(chosen, val_decided=((20, 5, 20, 5), (6, 5, 4, 5)))
    decision.write(tmp_path, same)
    assert "The same decisions find" not in Page(made(tmp_path)).text
    decision.write(tmp_path, dataclasses.replace(same, val_decided=((5, 5, 5, 5), (1, 5, 39, 5))))
    text = Page(made(tmp_path)).text
    assert "The same decisions find 1 of 40 images of “rare” on validation, but 6 of 10 on test." in text
    assert re.search(r"Recall differs by \+0\.5\d \[\+0\.2\d,.\+0\.[78]\d\], so test images may differ", text)
    assert "On new images, expect less than test shows." in text


@without_charts
def test_an_unknown_line_of_the_ledger_is_written_as_unknown(tmp_path, build):
    ledger = (
        prior_ledger.Line("split", "train", (1.0, 1.0)),
        prior_ledger.Line("oversample.strategy", "none", (1.0, 1.0)),
        prior_ledger.Line("weighting.scheme", "none", (1.0, 1.0)),
        prior_ledger.Line("loss", "focal", None),
    )
    build(tmp_path, ledger=ledger)
    text = Page(made(tmp_path)).text
    assert "unknown" in text
    assert "The effect of loss = focal on the class prior cannot be calculated." in text


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@without_charts
def test_mistakes_are_mistakes_and_no_more_than_asked_for(tmp_path, task, build):
    build(tmp_path, ("a", "b", "rare"), skill=0.0, task=task)
    page = Page(made(tmp_path))
    pictures = page.named("img")
    assert len(pictures) == 6
    test = predictions.read(tmp_path, "test")
    truth = dict(zip(test.image_ids, test.labels, strict=True))
    for picture in pictures:
        found = re.fullmatch(r"(.+): actual (.+), decided (.+)", picture["alt"])
        assert found
        assert set(found[2].split(", ")) == set(labels.split(truth[found[1]]))
        assert found[2] != found[3]
    assert (tmp_path / report.PATH).read_text().count('class="mistakes"') == 2


@without_charts
def test_the_first_mistakes_are_visible_and_the_others_one_click_away(tmp_path, build):
    build(tmp_path, ("a", "b", "rare"), skill=0.0)
    text = made(tmp_path, asked(20))
    assert len(Page(text).named("img")) > 14
    assert re.search(r"<details>\n<summary>\d+ more</summary>\n<ul class=\"mistakes\">", text)


def test_the_data_set_is_named_and_the_first_sentence_says_what_is_found(tmp_path, build):
    build(tmp_path)
    text = made(tmp_path)
    checksum = hashlib.md5((tmp_path / metrics.PATH).read_bytes(), usedforsecurity=False).hexdigest()
    assert f"<title>raw: rare – Counterpoise report {checksum[:8]}</title>" in text
    assert f"<dt>Checksum of figures</dt><dd>{checksum[:8]}</dd>" in text
    assert "Counterpoise report: raw" in Page(text).text
    on = plots.read(tmp_path, "confusion") == "rare"
    found, alarms = int(on.all(axis=1).sum()), int(on["decided"].sum())
    first = Page(re.findall(r'<p class="lede outcome">(.*?)</p>', text)[0]).text
    assert first.startswith(f"Finds {found} of 10 test images of “rare”. Of {alarms} alarms, {found} are right (")


def said_next(root: Path, **intervals: tuple[float, float]) -> str:
    """Write intervals into the figures, and return what the page says to do next."""
    known = metrics.read(root)
    metrics.write(root, dataclasses.replace(known, intervals={**known.intervals, **intervals}))
    said: str = re.findall(r"Next: .*?(?=</p>)", made(root))[0]
    return said


@without_charts
def test_the_next_step_is_the_first_thing_in_the_way_of_a_useful_model(tmp_path, build):
    build(tmp_path, test_counts=[40, 20])
    assert said_next(tmp_path, average_precision=(0.2, 0.9)).startswith("Next: look at the mistakes. The ranking of")
    assert "are the labels right?" in said_next(tmp_path, average_precision=(0.5, 0.9))
    build(tmp_path / "right", test_counts=[40, 20], skill=20.0)
    assert said_next(tmp_path / "right") == "Next: try the model on new images, by counterpoise predict."


@without_charts
def test_alarms_of_few_units_have_no_percentage_in_the_first_line(tmp_path, build):
    build(tmp_path, test_counts=[40, 20])
    chosen = decision.read(tmp_path)
    probs = rules.probabilities(chosen, predictions.read(tmp_path, "test").logits)
    second, third = np.sort(probs[:, 0] / probs[:, 1])[1:3]
    decision.write(tmp_path, dataclasses.replace(chosen, gain=((1.0, 0.0), (0.0, float(second + third) / 2))))
    first = Page(re.findall(r'<p class="lede outcome">(.*?)</p>', made(tmp_path))[0]).text
    assert "Of 2 alarms, 2 are right. Uncertain" in first


def test_shares_are_listed_once_and_recall_that_repeats_is_drawn_once(tmp_path, build):
    build(tmp_path, rule="f_beta", test_counts=[60, 40], val_counts=[60, 40])
    table = plots.read(tmp_path, "prevalence")
    share = table.loc[table["place"] == "target", "prevalence"].iloc[0]
    table.loc[table["prevalence"] == 0.05, "prevalence"] = share
    plots.write(tmp_path, {name: plots.read(tmp_path, name) for name in plots.COLUMNS} | {"prevalence": table})
    page = Page(made(tmp_path))
    assert "deployment and stated" in page.text
    recall = next(
        a["aria-label"] for a in page.named("svg") if a["aria-label"].startswith("Recall at other prevalences")
    )
    assert recall.count("rule, measured") == 1
    assert recall.count("rule adapted") == 1


@without_charts
def test_figures_without_false_alarms_say_so(tmp_path, build):
    build(tmp_path, test_counts=[40, 20], skill=20.0)
    assert "Test has no false alarm, but new images may have some." in Page(made(tmp_path)).text


@without_charts
def test_classes_that_test_lacks_come_last_in_the_charts(tmp_path, build):
    build(tmp_path, MANY, test_counts=[12] * 20 + [0] * 4 + [12])
    text = made(tmp_path)
    recall = next(a for a in Page(text).named("svg") if a["aria-label"].startswith("Recall: share of images found"))
    assert recall["aria-label"].count("n = 12") == 20
    assert "n/a" not in recall["aria-label"]
    assert text.count('class="controls"') == 2


def test_no_pictures_are_shown_where_none_are_asked_for(tmp_path, build):
    build(tmp_path)
    page = Page(made(tmp_path, asked(0)))
    assert not page.named("img")
    assert "report.mistakes is 0" in page.text


@without_charts
def test_equal_artifacts_give_equal_bytes(tmp_path):
    for root in (tmp_path / "first", tmp_path / "second"):
        pages.drawn_once.cache_clear()
        build_anew(root)
        report.main(root, PARAMS)
    assert (tmp_path / "first" / report.PATH).read_bytes() == (tmp_path / "second" / report.PATH).read_bytes()


def test_files_of_different_runs_are_refused(tmp_path, build):
    build(tmp_path)
    opened = prior.read(tmp_path)
    prior.write(tmp_path, dataclasses.replace(opened, classes=("other", "rare")))
    with pytest.raises(ArtifactError, match="different runs"):
        report.main(tmp_path, PARAMS)


@pytest.mark.parametrize("artifact", ["splits", "clusters", "draws", "test"])
def test_rows_without_a_partner_in_another_file_are_named(tmp_path, artifact, build):
    build(tmp_path)
    if artifact == "test":
        whole = predictions.read(tmp_path, "test")
        kept = {name: getattr(whole, name)[1:] for name in ("image_ids", "groups", "labels", "logits")}
        predictions.write(tmp_path, "test", dataclasses.replace(whole, **kept))
        missing = r"test\.parquet lacks 1 of the \d+ that .*tiles\.csv names"
    elif artifact == "draws":
        draws.write(tmp_path, pd.DataFrame({"tile_id": ["elsewhere"], "view": [0]}))
        missing = r"tiles\.csv lacks 1 of the 1 that .*draws\.csv names: 'elsewhere'"
    else:
        module = {"splits": splits, "clusters": clusters}[artifact]
        module.write(tmp_path, module.read(tmp_path)[1:])
        missing = rf"{artifact}\.csv lacks 1 of the \d+ that .*manifest\.csv names"
    with pytest.raises(ArtifactError, match=missing):
        report.main(tmp_path, PARAMS)


@without_charts
def test_blocks_of_scenes_are_shown_as_images(tmp_path, build):
    build(tmp_path)
    report.main(tmp_path, PARAMS)
    whole = (tmp_path / report.PATH).read_text(encoding="utf-8")
    table, dealt = manifest.read(tmp_path), splits.read(tmp_path)
    labels_of = dict(zip(table["image_id"], table["labels"], strict=True))
    of_blocks = dealt.assign(
        scene_id="scene " + dealt["image_id"],
        labels=[labels_of[image_id] for image_id in dealt["image_id"]],
        **{"x0_px": 0, "y0_px": 0, "x1_px": 8, "y1_px": 8},
    )
    splits.write(tmp_path, of_blocks)
    renamed = "scene " + table["image_id"]
    manifest.write(tmp_path, table.assign(image_id=renamed, labels="", path="data/raw/" + renamed))
    report.main(tmp_path, PARAMS)
    page = (tmp_path / report.PATH).read_text(encoding="utf-8")
    assert page.count("<img") == whole.count("<img") > 0
    title = re.compile("<title>.*?</title>")
    assert title.findall(page) == title.findall(whole)


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def browse(root: Path, page: str, *, dark: bool) -> tuple[str, str]:
    """Open a page in headless Chromium: what it became, and what the browser said of it."""
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    options += "--disable-component-update --disable-sync --allow-file-access-from-files --enable-logging=stderr "
    options += "--v=0 --window-size=1280,900 --virtual-time-budget=60000"
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    command = [str(BROWSER), *options.split(), *theme, f"--user-data-dir={root / f'profile{dark}'}", "--dump-dom"]
    done = subprocess.run([*command, page], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


WIDTHS = (390, 768, 1280, 1920)
MEASURE = """<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
window.onload = async () => {
  const told = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement;
    for (let i = 0; i < 200 && !root.classList.contains("drawn"); i++) await wait(100);
    for (const details of page.querySelectorAll("details")) details.open = true;
    await wait(100);
    const wide = [...page.querySelectorAll("main .chart svg, header .chart svg")].filter((picture) =>
      picture.getBoundingClientRect().right > root.clientWidth + 1);
    const slider = page.querySelector("[data-signal=prevalence]"), said = [];
    const first = page.querySelectorAll("#prevalence .chart");
    for (const position of slider ? [0, Number(slider.max)] : []) {
      slider.value = position;
      slider.dispatchEvent(new Event("input"));
      await wait(200);
      said.push([page.querySelector("output").textContent, ...[...first].map((chart) =>
        [...chart.querySelectorAll("text")].map((text) => text.textContent).find((text) => text.startsWith("at ")))]);
    }
    told.push({
      scripted: root.classList.contains("scripted"), drawn: root.classList.contains("drawn"), said,
      scroll: root.scrollWidth, client: root.clientWidth, wide: wide.length,
      cut: [...page.querySelectorAll("#prevalence .scroll")].filter((one) => one.scrollWidth > one.clientWidth).length,
      shade: getComputedStyle(page.body).backgroundColor, links: [...page.querySelectorAll("nav a")].map(
        (link) => [link.textContent, page.querySelector(link.getAttribute("href")).querySelector("h2").textContent]),
      controls: [...page.querySelectorAll(".controls")].map((one) => one.getBoundingClientRect().height > 0),
    });
  }
  const result = document.createElement("pre");
  result.textContent = JSON.stringify(told);
  document.body.append(result);
};</script>"""


def measured(root: Path, widths: Sequence[int], *, dark: bool = False, scripts: bool = True) -> list[dict[str, Any]]:
    """Load the page in frames of some widths, open everything, move the slider, and say what is there."""
    frames = "".join(
        f'<iframe src="index.html" width="{width}" height="900" frameborder="0"></iframe>' for width in widths
    )
    if not scripts:
        frames = frames.replace("<iframe", '<iframe sandbox="allow-same-origin"')
    wrapper = root / "reports" / "wrapper.html"
    wrapper.write_text(MEASURE.replace("i < 200", "i < 200" if scripts else "i < 0") + frames, encoding="utf-8")
    dom, said = browse(root, wrapper.as_uri(), dark=dark)
    complaints = [line for line in said.splitlines() if "CONSOLE" in line]
    assert not [line for line in complaints if scripts or "sandbox" not in line]
    told: list[dict[str, Any]] = json.loads(html.unescape(re.findall(r"<pre>(.*?)</pre>", dom, re.DOTALL)[0]))
    return told


def check_layout(told: dict[str, Any]) -> None:
    assert told["scroll"] <= told["client"]
    assert told["wide"] == 0
    assert all(name == heading for name, heading in told["links"])


@pytest.mark.skipif(BROWSER is None, reason="no chromium found: the page was not opened in a browser")
@pytest.mark.parametrize(
    ("task", "dark"),
    [
        pytest.param("multiclass", False, id="multiclass-light"),
        pytest.param("multiclass", True, id="multiclass-dark"),
        pytest.param("multilabel", False, id="multilabel-light"),
        pytest.param("multilabel", True, id="multilabel-dark", marks=pytest.mark.slow),
    ],
)
def test_a_browser_draws_the_page_at_every_width_without_complaint(tmp_path, task, dark, build):
    build(tmp_path, HOSTILE, task=task)
    made(tmp_path)
    for told in measured(tmp_path, WIDTHS, dark=dark):
        assert told["drawn"]
        check_layout(told)
        shade = [int(part) for part in re.findall(r"\d+", told["shade"])[:3]]
        assert (sum(shade) < 300) == dark


@pytest.mark.skipif(BROWSER is None, reason="no chromium found: the page was not opened in a browser")
def test_the_page_is_whole_without_scripts(tmp_path, build):
    build(tmp_path, MANY)
    text = made(tmp_path)
    (told,) = measured(tmp_path, [390], scripts=False)
    assert not told["scripted"]
    assert told["controls"] == [False, False]
    check_layout(told)
    table = plots.read(tmp_path, "prevalence_grid").set_index(["prevalence", "figure"])["value"]
    assert f"{table[0.05, 'precision']:.2f}" in Page(text).text


@pytest.mark.skipif(BROWSER is None, reason="no chromium found: the page was not opened in a browser")
def test_the_slider_shows_the_figures_of_the_grid(tmp_path, build):
    build(tmp_path)
    made(tmp_path)
    narrow, told = measured(tmp_path, [390, 1280])
    assert narrow["said"] == told["said"]
    assert narrow["cut"] == told["cut"] == 0
    grid = plots.read(tmp_path, "prevalence_grid")
    assert len(told["said"]) == 2
    for (share, *texts), at in zip(told["said"], (grid["prevalence"].min(), grid["prevalence"].max()), strict=True):
        rows = grid[grid["prevalence"] == at].set_index("figure")
        precision, alarms, flagged = (rows.loc[figure, ["value", "low", "high"]] for figure in plots.GRID_FIGURES)
        assert texts[0] == "at {}: {:.2f} [{:.2f}, {:.2f}]".format(share, *precision)
        for text, row in ((texts[1], alarms), (texts[2], flagged)):
            shown = [f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}" for value in row]
            assert text == "at {}: {} [{}, {}]".format(share, *shown)


GROUPED: dict[str, Any] = {"val_counts": [60, 40, 60], "unit_sizes": (1, 2, 6)}
"""Images of `usual` come in pairs, those of `rare` are six exposures of one object."""
COMPARES = (
    *("Highest", "Lowest", "best", "worst", "better", "worse", "found more", "kept", "broken", "raised", "lowered"),
    *("random guessing", "at best", "more than the share", "can explain", "no sign"),
)
"""Words of sentences that compare figures; `Worst mistakes` is the heading of pictures."""


def sentences_about(text: str, name: str) -> list[str]:
    return [sentence for sentence in re.split(r"(?<=[.;]) ", text) if f"“{name}”" in sentence]


def test_ten_objects_of_six_images_are_ten_units_everywhere(tmp_path, capsys, build):
    names = ("plain", "usual", "rare")
    build(tmp_path, names, test_counts=[60, 40, 60], **GROUPED)
    text = Page(made(tmp_path)).text.replace("\xa0", " ")
    assert "Test: 160 images of 90 units, 60 images of 10 units with the class that matters." in text
    assert "Images of one group, or near duplicates, are one unit: they count as one observation." in text
    assert "Finds 13 of 60 test images of “rare” (10 units). Of " in text
    assert "13 of 60 images found (10 units)" in text
    assert "n = 60 (10 units)" in text
    assert "n = 40 (20 units)" in text
    assert "Units of the rows: “plain” 60, “usual” 20 and “rare” 10." in text
    assert "Not usable" not in text
    assert metrics.read(tmp_path).supports == {"test_images": (160, 90), "test_positives": (60, 10)}
    assert "without an interval" not in capsys.readouterr().err
    low, high = metrics.read(tmp_path).intervals["recall"]
    assert high - low > 0.3  # of 60 separate images it would be 0.21


def test_one_object_has_no_interval_and_no_sentence_says_more_than_its_images(tmp_path, capsys, build):
    build(tmp_path, ("plain", "usual", "rare"), test_counts=[60, 40, 6], **GROUPED)
    text = Page(made(tmp_path)).text.replace("\xa0", " ")
    shown = metrics.read(tmp_path)
    assert not {"recall", "precision", "average_precision", "roc_auc"} & set(shown.intervals)
    table = plots.read(tmp_path, "classes")
    assert table.loc[table["class"] == "rare", ["low", "high"]].isna().to_numpy().all()
    assert text.count("Not usable: only 6 test images of 1 unit show “rare”.") == 1
    assert "5 of 6 images found (only 1 unit)" in text
    assert "5 of 23 alarms right (only 1 unit of the class)" in text
    assert "Average precision, ROC AUC, recall and precision have no interval. All images of the class are of" in text
    assert text.count("have no interval") == 1
    assert "0.83, no interval, n = 6 (only 1 unit)" in text
    assert "Not compared, with fewer than 5 units: “rare”." in text
    assert "too few to say what to expect at other prevalences, so none are shown" in text
    assert "Each dot is one image." not in text  # the pictures of other prevalences
    for sentence in sentences_about(text, "rare"):
        assert not [word for word in COMPARES if re.search(rf"\b{word}\b", sentence)], sentence
    gains: dict[Any, Any] = plots.read(tmp_path, "differences").set_index("figure").to_dict(orient="index")
    assert gains["balanced_accuracy"]["low"] < 0 < gains["balanced_accuracy"]["high"]
    assert "4 figures without an interval, with 1 unit of 'rare' in test" in capsys.readouterr().err


def test_three_objects_have_intervals_but_nothing_is_compared(tmp_path, capsys, build):
    build(tmp_path, ("plain", "usual", "rare"), test_counts=[60, 40, 18], **GROUPED)
    text = Page(made(tmp_path)).text.replace("\xa0", " ")
    assert "recall" in metrics.read(tmp_path).intervals
    assert text.count("Not usable: only 18 test images of 3 units show “rare”.") == 1
    assert "n = 18 (only 3 units)" in text
    assert "3 classes, 1 with fewer than 5 units; no skill" in text
    for sentence in sentences_about(text, "rare"):
        assert not [word for word in COMPARES if re.search(rf"\b{word}\b", sentence)], sentence
    assert "only 3 units of 'rare' in test: the intervals are rough; label more images" in capsys.readouterr().err


def test_labels_of_one_object_are_counted_as_one(tmp_path, build):
    build(tmp_path, ("plain", "rare"), task="multilabel", test_counts=[0, 6], val_counts=[60, 60], unit_sizes=(1, 6))
    text = Page(made(tmp_path)).text.replace("\xa0", " ")
    assert "Not usable: only 6 test images of 1 unit show “rare”." in text
    assert "recall" not in metrics.read(tmp_path).intervals
    assert re.search(r"n = 80 \(\d+ units\)", text)  # of a threshold: the support in validation
