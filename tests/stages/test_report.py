import base64
import html.parser
import io
import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from counterpoise import decisions, priors
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
from counterpoise.page import findings
from counterpoise.stages import report
from counterpoise.storage import ArtifactError

HOSTILE = ('<script>alert(1)</script> & "x"', "it's <b>bold</b>", "日本語の長いクラス名", "&amp; {{ 7 * 7 }} {% raw %}")
PARAMS = report.Params(report=report.Report(mistakes=6))
HEADINGS = (
    "Headline figures",
    "Where the classes go",
    "Training",
    "Three ways to use the same model",
    "Per class",
    "Confusion",
    "Precision and recall",
    "Calibration",
    "The prior, line by line",
    "Worst mistakes",
)
FIGURES = {
    "balanced_accuracy": 0.6127,
    "average_precision": 0.4321,
    "recall": 0.5734,
    "precision": 0.2468,
    "expected_calibration_error": 0.0613,
}


class Page(html.parser.HTMLParser):
    """What a browser sees: tags with attributes, and texts outside of style."""

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

    def handle_data(self, data: str) -> None:
        if self.inside == "h2" and data.strip():
            self.headings.append(data.strip())
        if self.inside != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.tags if name == tag]


def build(
    root: Path,
    names: tuple[str, ...] = ("plain", "rare"),
    *,
    test_counts: Sequence[int] | None = None,
    undefined: Sequence[str] = (),
    rates: Sequence[float] = (1e-3, 9e-4, 5e-4, 2e-4),
    losses: Sequence[float] = (1.2, 0.8, 0.6, 0.5),
    ledger: tuple[priors.Line, ...] = (),
    skill: float = 1.5,
) -> None:
    """Write every artifact that the page is made from, about 10 images per class and split."""
    rng = np.random.default_rng(0)
    count = len(names)
    test_counts = [10] * count if test_counts is None else test_counts
    rows = []
    for class_, name in enumerate(names):
        for split, number in (("train", 12 - class_ % 3), ("val", 10), ("test", test_counts[class_])):
            rows += [(name, split) for _ in range(number)]
    ids = [f"images/{number:04}.png" for number in range(len(rows))]
    table = pd.DataFrame(
        {
            "image_id": ids,
            "path": [f"data/raw/{image}" for image in ids],
            "labels": [name for name, _ in rows],
            "group": ids,
            "width_px": 20,
            "height_px": 10,
            "sha256": "0" * 64,
        }
    )
    counts = tuple(int((table["labels"] == name).sum()) for name in names)
    manifest.write(root, table)
    classes.write(root, classes.Classes(tuple(names), counts))
    rejected.write(
        root,
        pd.DataFrame(
            [("labels.csv row 3", "<img src=x>.png", "rejected", "the file is <empty>")], columns=list(rejected.COLUMNS)
        ),
    )
    splits.write(root, pd.DataFrame({"image_id": ids, "split": [split for _, split in rows]}))
    clusters.write(
        root, pd.DataFrame({"image_id": ids, "unit": ids, "centre": ids, "kind": "single", "correlation": 1.0})
    )
    train = tuple(sum(1 for row in rows if row == (name, "train")) for name in names)
    ledger = ledger or (
        priors.Line("split", "train", (1.0,) * count),
        priors.Line("oversample.strategy", "none", (1.0,) * count),
        priors.Line("weighting.scheme", "balanced", tuple(np.linspace(1.0, 2.0, count).tolist())),
        priors.Line("loss", "cross_entropy", (1.0,) * count),
    )
    prior.write(root, prior.Prior(tuple(names), counts, train, train, ledger[:2]))
    card = model.Card("multiclass", "tiny", "linear", 0.2, 160, True, "bundled", tuple(names), "cross_entropy", ledger)
    (root / model.FOLDER).mkdir(parents=True)
    model.write(root, card, {})
    natural = priors.from_counts(counts)
    seen = priors.seen(natural, ledger)
    decision.write(
        root,
        decision.Decision(
            task="multiclass",
            classes=tuple(names),
            calibrator="temperature" if seen is not None else "vector",
            scale=(0.9,) * count,
            bias=(0.0,) * count,
            ledger=ledger,
            natural=tuple(natural.tolist()),
            seen=None if seen is None else tuple(seen.tolist()),
            val=tuple(natural.tolist()),
            target=tuple(natural.tolist()),
            val_offset=(0.0,) * count,
            target_offset=(0.0,) * count,
            rule="balanced",
            gain=tuple(tuple(row) for row in decisions.gain("balanced", natural).tolist()),
            val_images=(10,) * count,
        ),
    )
    test = table[splits.read(root)["split"] == "test"]
    targets = np.array([names.index(name) for name in test["labels"]])
    logits = (rng.normal(size=(len(test), count)) + skill * np.eye(count)[targets]).astype(np.float32)
    image_ids = tuple(test["image_id"])
    predictions.write(
        root, "test", predictions.Predictions(image_ids, image_ids, tuple(test["labels"]), tuple(names), logits)
    )
    buffer = io.BytesIO()
    Image.new("RGB", (200, 300), "teal").save(buffer, "PNG")
    with tiles.writing(root, "test") as append:
        for image_id, name in zip(image_ids, test["labels"], strict=True):
            append(tiles.Tile(image_id, image_id, name, (0, 0, 200, 300), buffer.getvalue()))
    write_curves(root, rates, losses)
    write_scores(root, names, targets, logits.argmax(axis=1), undefined)


def write_curves(root: Path, rates: Sequence[float], losses: Sequence[float]) -> None:
    folder = root / training.FOLDER / "plots" / "metrics"
    for name, values in (("learning_rate", rates), ("train/loss", losses), ("val/loss", losses)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{step}\t{value}" for step, value in enumerate(values)]
        (folder / f"{name}.tsv").write_text("\n".join(["step\tvalue", *lines]))
    (root / training.FOLDER / "metrics.json").write_text(json.dumps({"best_epoch": 1}))


def write_scores(root: Path, names: tuple[str, ...], targets: Any, decided: Any, undefined: Sequence[str]) -> None:
    positive = names[-1]
    kept = {name: value for name, value in FIGURES.items() if name not in undefined}
    spans = {name: (value - 0.05, value + 0.05) for name, value in kept.items()}
    notes: tuple[str, ...] = (f"recall, precision: class {positive!r} against the rest", "decided by rule 'balanced'")
    notes += tuple(f"{name} is undefined: no test image allows it" for name in undefined)
    counts = {"test_images": len(targets), "test_positives": int((targets == len(names) - 1).sum())}
    metrics.write(root, metrics.Metrics(kept | counts, spans, notes))
    rows = []
    for index, name in enumerate(names):
        support = int((targets == index).sum())
        share = support / len(targets)
        for measure in ("precision", "recall", "average_precision"):
            value = 0.5 if support else math.nan
            low, high = (0.3, 0.7) if support else (math.nan, math.nan)
            rows.append((name, measure, value, low, high, support, math.nan if measure == "recall" else share))
    scores = [
        (way, figure, math.nan if figure in undefined else 0.5, 0.4, 0.6)
        for way in ("raw", "calibrated", "decided")
        for figure in ("accuracy", "balanced_accuracy", "average_precision", "expected_calibration_error")
    ]
    tables: dict[str, list[Any]] = {
        "confusion": [(names[k], names[j]) for k, j in zip(targets, decided, strict=True)],
        "precision_recall": [(1.0, 0.1, 0.0), (0.5, 0.4, 0.5), (0.0, 1.0, 0.9)],
        "calibration": [(way, 0.6, 0.5, 0.3, 0.7, 12) for way in ("raw", "calibrated")],
        "classes": rows,
        "scores": scores,
    }
    plots.write(
        root, {name: pd.DataFrame(content, columns=list(plots.COLUMNS[name])) for name, content in tables.items()}
    )


def made(root: Path, params: report.Params = PARAMS) -> str:
    report.main(root, params)
    return (root / report.PATH).read_text(encoding="utf-8")


MANY = tuple(f"class {number}" for number in range(60))


@pytest.mark.parametrize("names", [("plain", "rare"), HOSTILE, MANY], ids=["two", "hostile", "many"])
def test_the_page_holds_every_section_and_a_text_for_every_picture(tmp_path, names):
    build(tmp_path, names)
    page = Page(made(tmp_path))
    assert [heading for heading in page.headings if heading != "Before you read on"] == list(HEADINGS)
    assert page.named("svg")
    assert all(attributes.get("aria-label") for attributes in page.named("svg"))
    assert page.named("img")
    assert all(attributes.get("alt") for attributes in page.named("img"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.named("a")} <= set(ids)


def test_hostile_names_are_text_and_nothing_else(tmp_path):
    build(tmp_path, HOSTILE)
    text = made(tmp_path)
    page = Page(text)
    assert not page.named("script")
    assert not page.named("b")
    assert all(attributes["src"].startswith("data:image/jpeg;base64,") for attributes in page.named("img"))
    assert "<script" not in text
    for name in HOSTILE:
        assert " ".join(name.split()) in page.text
    assert "the file is <empty>" in page.text


def test_the_page_loads_nothing(tmp_path):
    build(tmp_path)
    text = made(tmp_path)
    loads = re.findall(r"""(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", text)
    assert all(target.startswith(("data:", "#")) for target in loads)
    assert "url(" not in text
    assert "@import" not in text


def test_figures_of_metrics_json_stand_on_the_page(tmp_path):
    build(tmp_path)
    text = Page(made(tmp_path)).text
    for value in FIGURES.values():
        assert f"{value:.4g}" in text
        assert f"{value:.2f}" in text
    assert "Test: 20 images, 10 of the class that matters." in text


def test_undefined_figures_are_said_to_be_so(tmp_path):
    build(tmp_path, undefined=("precision", "balanced_accuracy"))
    text = Page(made(tmp_path)).text
    assert "n/a" in text
    assert "nan" not in text.lower().replace("finance", "")
    assert "Precision is undefined: no test image allows it." in text


def test_a_class_without_test_images_is_named(tmp_path):
    build(tmp_path, ("a", "b", "absent", "rare"), test_counts=[12, 12, 0, 12])
    assert "1 class has fewer than 10 test images: “absent” (0)." in Page(made(tmp_path)).text


def test_a_test_split_without_the_class_that_matters_gives_a_page(tmp_path):
    build(tmp_path, ("a", "b", "rare"), test_counts=[12, 12, 0], undefined=("recall", "average_precision"))
    text = Page(made(tmp_path)).text
    assert "nothing is known of it" in text
    assert "there is no curve" in text


def test_sixty_classes_are_folded_and_their_confusion_is_a_table(tmp_path):
    build(tmp_path, MANY)
    page = Page(made(tmp_path))
    assert not [a for a in page.named("svg") if "confusion" in a["class"].split()]
    assert "most confused of" in page.text
    assert page.text.count("The other 40 classes") == 3


def test_a_threshold_is_marked_with_two_classes_and_a_decision_with_more(tmp_path):
    build(tmp_path / "two")
    build(tmp_path / "three", ("a", "b", "rare"))
    two, three = Page(made(tmp_path / "two")).text, Page(made(tmp_path / "three")).text
    assert "at the threshold: recall" in two
    assert "may lie off the curve" not in two
    assert "as decided: recall" in three
    assert "may lie off the curve" in three


def test_a_vanished_learning_rate_and_a_loss_that_stands_still_are_warned_of(tmp_path):
    build(tmp_path, rates=[1e-4, 1e-5, 1e-6, 1e-7, 1e-8], losses=[0.9, 0.501, 0.5, 0.5, 0.5])
    text = Page(made(tmp_path)).text
    assert "The learning rate vanished after epoch 2 of 5." in text
    assert "The training loss stood still: from epoch 2 to 5" in text


def test_healthy_training_is_not_warned_of(tmp_path):
    build(tmp_path)
    text = Page(made(tmp_path)).text
    assert "vanished" not in text
    assert "stood still" not in text


def test_an_interval_that_holds_the_value_of_guessing_is_warned_of(tmp_path):
    build(tmp_path)
    assert "told apart from the others at all: “plain” and “rare”" in Page(made(tmp_path)).text


def test_a_cosine_schedule_to_zero_has_not_vanished():
    rates = (1 + np.cos(np.linspace(0, np.pi, 40))) / 2
    assert findings.idle_from(rates.tolist()) is None


def test_an_unknown_line_of_the_ledger_is_written_as_unknown(tmp_path):
    ledger = (
        priors.Line("split", "train", (1.0, 1.0)),
        priors.Line("oversample.strategy", "none", (1.0, 1.0)),
        priors.Line("weighting.scheme", "none", (1.0, 1.0)),
        priors.Line("loss", "focal", None),
    )
    build(tmp_path, ledger=ledger)
    text = Page(made(tmp_path)).text
    assert "unknown" in text
    assert "What loss = focal did to the class prior has no closed form." in text


def test_mistakes_are_the_most_confident_ones_first_and_no_more_than_asked_for(tmp_path):
    build(tmp_path, ("a", "b", "rare"), skill=0.0)
    page = Page(made(tmp_path))
    pictures = page.named("img")
    assert len(pictures) == 6
    test = predictions.read(tmp_path, "test")
    truth = dict(zip(test.image_ids, test.labels, strict=True))
    for picture in pictures:
        found = re.fullmatch(r"(.+): actual (.+), decided (.+)", picture["alt"])
        assert found
        assert truth[found[1]] == found[2] != found[3]
    galleries = re.findall(r'class="mistakes">(.*?)</ul>', (tmp_path / report.PATH).read_text(), flags=re.DOTALL)
    assert len(galleries) == 2
    for gallery in galleries:
        shown = [float(p) for p in re.findall(r'class="decided">.*?class="number">([0-9.]+)<', gallery)]
        assert shown == sorted(shown, reverse=True)
        assert len(shown) == 3


def test_no_pictures_are_shown_where_none_are_asked_for(tmp_path):
    build(tmp_path)
    page = Page(made(tmp_path, report.Params(report=report.Report(mistakes=0))))
    assert not page.named("img")
    assert "report.mistakes is 0" in page.text


def test_pictures_are_small_jpegs():
    buffer = io.BytesIO()
    Image.new("RGB", (640, 320)).save(buffer, "PNG")
    uri = report.encode(buffer.getvalue())
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert (image.format, image.size) == ("JPEG", (160, 80))


def test_equal_artifacts_give_equal_bytes(tmp_path):
    build(tmp_path)
    assert made(tmp_path) == made(tmp_path)


def test_files_of_different_runs_are_refused(tmp_path):
    build(tmp_path)
    opened = prior.read(tmp_path)
    prior.write(tmp_path, prior.Prior(("other", "rare"), opened.natural_counts, opened.train_counts, (1, 1), ()))
    with pytest.raises(ArtifactError, match="different runs"):
        report.main(tmp_path, PARAMS)


def test_metrics_that_name_no_class_that_matters_are_refused(tmp_path):
    build(tmp_path)
    found = metrics.read(tmp_path)
    metrics.write(tmp_path, metrics.Metrics(found.figures, found.intervals, ()))
    with pytest.raises(ArtifactError, match="names the class that matters"):
        report.main(tmp_path, PARAMS)


def test_a_browser_shows_the_page_without_complaint(tmp_path):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium found: the page was not opened in a browser")
    build(tmp_path, HOSTILE)
    made(tmp_path)
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --enable-logging=stderr --v=0"
    command = [chromium, *options.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, (tmp_path / report.PATH).as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Counterpoise report" in done.stdout
    assert "CONSOLE" not in done.stderr
