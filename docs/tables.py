"""Write measured values into the documents.

`python docs/tables.py` rewrites what stands between these markers in `docs/*.md`:

    <!-- table: NAME -->     a table of `TABLES` below
    <!-- result: NAME -->    what was measured of one loss or remedy, as a list
    <!-- end -->

`python docs/tables.py --check` writes nothing, and fails if a document differs. Values are in
`docs/measurements/*.csv`, exactly as a command printed them; the first lines of each file name the command. A column
`x` may have a standard error `x_se`, or a 95 % interval `x_low` to `x_high`.
"""

from __future__ import annotations

import csv
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parent
WIDTH = 120
BLOCK = re.compile(r"(<!-- (table|result): ([^>]+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
HOMES = ("losses.md", "remedies.md")
"""The pages with one section for each loss or remedy."""

Row = Mapping[str, str]

OF_STUDY = {
    "": "remedy",
    "compared with": "control",
    "verdict": "verdict",
    "difference": "difference",
    "balanced accuracy, raw": "balanced_accuracy_raw",
    "re-decided": "balanced_accuracy_decided",
    "AP": "average_precision",
    "log loss": "log_loss",
}
OF_STUDY_IN_SHORT = {
    "": "remedy",
    "compared with": "control",
    "balanced accuracy, raw": "balanced_accuracy_raw",
    "re-decided": "balanced_accuracy_decided",
    "difference": "difference",
    "verdict": "verdict",
}
OF_ICONS = {
    "": "remedy",
    "mAP": "mean_average_precision",
    "macro F1, raw": "macro_f1_raw",
    "macro F1, re-decided": "macro_f1_decided",
}
OF_BOXES = {
    "class": "class",
    "AP50": "average_precision_50",
    "AP": "average_precision",
    "recall": "recall",
    "precision": "precision",
}
OF_COVERAGE = {
    "figure": "figure",
    "525 / 21, strong": "525_21_strong",
    "525 / 21, weak": "525_21_weak",
    "1,000 / 8": "1000_8",
    "5,000 / 50": "5000_50",
    "525 / 21, clusters": "525_21_clusters",
    "1,000 / 8, clusters": "1000_8_clusters",
}
TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "coverage coverage": ("coverage", OF_COVERAGE),
    "coverage width": ("coverage", OF_COVERAGE),
    "study losses": ("study", OF_STUDY),
    "study others": ("study", OF_STUDY),
    "study in_short": ("study", OF_STUDY_IN_SHORT),
    "whole_network": (
        "whole_network",
        {
            "": "remedy",
            "balanced accuracy, raw": "balanced_accuracy_raw",
            "re-decided": "balanced_accuracy_decided",
            "AP of the rarest class": "average_precision_rarest",
            "ECE": "ece",
        },
    ),
    "icons": ("icons", OF_ICONS | {"ECE": "ece"}),
    "icons in_short": ("icons", OF_ICONS),
    "solar_roofs": (
        "solar_roofs",
        {
            "outputs": "outputs",
            "source": "source",
            "recall": "recall",
            "precision at 1 : 1": "precision_at_half",
            "precision at 4.6 %": "precision_at_4_6",
        },
    ),
    "marks": ("marks", {"metric": "metric", "value": "value"}),
    "solar_roofs_resnet18": (
        "solar_roofs_resnet18",
        {
            "network": "network",
            "time": "time",
            "average precision": "average_precision",
            "ROC AUC": "roc_auc",
            "balanced accuracy, raw": "balanced_accuracy_raw",
            "precision, re-decided": "precision",
            "recall, re-decided": "recall",
        },
    ),
    "six_classes": (
        "six_classes",
        {
            "remedy": "remedy",
            "balanced accuracy, raw": "balanced_accuracy_raw",
            "re-decided": "balanced_accuracy_decided",
            "accuracy": "accuracy",
            "AP of the rarest class": "average_precision_rarest",
            "ECE": "ece",
        },
    ),
    "four_labels labels": (
        "four_labels",
        {
            "weights": "weights",
            "raw, at 0.5 or above": "labels_raw",
            "raw, at w / (1 + w) or above": "labels_raw_undone",
            "by rule `f_beta`": "labels_decided",
        },
    ),
    "four_labels scores": (
        "four_labels",
        {
            "weights": "weights",
            "mAP": "mean_average_precision",
            "macro F1, raw": "macro_f1_raw",
            "macro F1, re-decided": "macro_f1_decided",
        },
    ),
    "heads": (
        "heads",
        {
            "data (classes)": "data",
            "figure": "figure",
            "regression": "regression",
            "`lbfgs`": "lbfgs",
            "`adamw`": "adamw",
        },
    ),
    "aircraft": (
        "aircraft",
        OF_BOXES,
    ),
    "bccd": (
        "bccd",
        OF_BOXES,
    ),
    "scenes": (
        "scenes",
        OF_BOXES,
    ),
    "detection_study": (
        "detection_study",
        {
            "": "arm",
            "compared with": "control",
            "verdict": "verdict",
            "difference": "difference",
            "AP50": "ap50",
            "AP": "ap",
        },
    ),
    "detection_verdicts": (
        "detection_verdicts",
        {
            "setting": "setting",
            "folds x repeats": "design",
            "studies": "studies",
            "true difference": "true",
            "bias": "bias",
            "covered, %": "coverage",
            "half of an interval": "half_width",
            "false verdict, %": "false",
            "not widened, %": "false_narrow",
            "better or worse, %": "different",
        },
    ),
    "frozen_backbone": (
        "frozen_backbone",
        {"figure": "figure", "trained": "trained", "frozen": "frozen", "difference": "difference"},
    ),
    "scenes_shrunken": (
        "scenes_shrunken",
        {"figure": "figure", "tiles": "tiles", "shrunken": "shrunken", "difference": "difference"},
    ),
    "elpv_binary": (
        "elpv_binary",
        {
            "`seed`": "seed",
            "accuracy": "accuracy",
            "balanced accuracy": "balanced_accuracy",
            "average precision": "average_precision",
            "recall": "recall",
            "precision": "precision",
        },
    ),
    "repeated_splits": (
        "repeated_splits",
        {
            "training and decision": "variant",
            "this pipeline": "pipeline",
            "tuned logistic regression, same features": "regression",
        },
    ),
    "verdicts": (
        "verdicts",
        {
            "setting": "setting",
            "figure": "figure",
            "studies": "studies",
            "true difference": "true",
            "bias": "bias",
            "covered, %": "coverage",
            "studies with a false verdict, %": "false",
            "better or worse, %": "different",
            "equivalent, %": "equivalent",
        },
    ),
}
"""Table -> its file and, for each heading, the column that it shows. An empty heading is that of a remedy, with a link
to its section. A second word selects rows of that `group`, if the file has groups, or the rows of `IN_SHORT`."""

IN_SHORT: dict[str, tuple[str, ...]] = {
    "study in_short": (
        "none",
        "weighting.scheme: balanced",
        "balanced_softmax",
        "oversample.strategy: over",
        "focal",
        "oversample.strategy: under",
        "none, by `adamw`",
        "auc_margin",
    ),
    "icons in_short": (
        "cross_entropy",
        "asymmetric",
        "distribution_balanced",
        "oversample.strategy: repeat_factor",
        "weighting.scheme: negatives_over_positives",
        "oversample.strategy: under",
    ),
}
"""Table that shows a few rows of its file -> the remedies that it shows, in this order."""

RESULTS: dict[str, tuple[str, str, str]] = {
    "study": (
        "default problem",
        "balanced accuracy {balanced_accuracy_raw} raw and {balanced_accuracy_decided} re-decided",
        "{verdict}; re-decided balanced accuracy minus that of {control}: {difference}",
    ),
    "whole_network": (
        "whole network",
        "balanced accuracy {balanced_accuracy_raw} raw and {balanced_accuracy_decided} re-decided",
        "re-decided balanced accuracy {balanced_accuracy_decided}; without it {plain_balanced_accuracy_decided}",
    ),
    "icons": (
        "multilabel icons",
        "mean average precision {mean_average_precision}; "
        "macro F1 {macro_f1_raw} raw and {macro_f1_decided} re-decided",
        "mean average precision {mean_average_precision} (plain cross-entropy: {plain_mean_average_precision}); "
        "re-decided macro F1 {macro_f1_decided} (plain: {plain_macro_f1_decided})",
    ),
}
"""File -> what its values are of, a sentence about the plain row, and one that compares another row with it. The column
`x` of the plain row is `plain_x`."""
PLAIN = ("none", "cross_entropy")
"""Names of the row without any remedy."""


def rows(name: str) -> list[Row]:
    """Read `docs/measurements/<name>.csv` without its comments."""
    text = (DOCS / "measurements" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def figure(row: Row, column: str) -> str:
    """Write a value with its error or interval: `0.466 ± 0.005`, `0.51 [0.47, 0.55]`; a difference with its sign.

    Example:
        >>> figure({"difference": "0.006", "difference_se": "0.008"}, "difference")
        '+0.006 ± 0.008'
    """
    value = row[column]
    if column == "difference" and value and float(value) >= 0:
        value = f"+{value}"
    if row.get(f"{column}_se"):
        return f"{value} ± {row[f'{column}_se']}"
    if row.get(f"{column}_low"):
        return f"{value} [{row[f'{column}_low']}, {row[f'{column}_high']}]"
    return value


def slug(heading: str) -> str:
    """Turn a heading into its anchor, as GitHub does.

    Example:
        >>> slug("`oversample.strategy: over`")
        'oversamplestrategy-over'
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def link(remedy: str, page: str, headings: Mapping[str, str]) -> str:
    """Write a remedy as a link from one page to its section; what follows a comma is a remark.

    Args:
        remedy: As in the column `remedy`, such as `ldam, margin 15`.
        page: Name of the page that holds the link.
        headings: Name of a remedy -> page with its section.
    """
    name, comma, remark = remedy.partition(",")
    if name not in headings:
        return f"`{name}`{comma}{remark}" if name != "none" else remedy
    home = headings[name] if headings[name] != page else ""
    return f"[`{name}`]({home}#{slug(name)}){comma}{remark}"


def chosen(name: str, every: Sequence[Row]) -> Sequence[Row]:
    """Choose the rows of a table: those of `IN_SHORT`, otherwise those of the group that the name ends with.

    Raises:
        StopIteration: A remedy of `IN_SHORT` is not in the file.
    """
    if name in IN_SHORT:
        return [next(row for row in every if row["remedy"] == remedy) for remedy in IN_SHORT[name]]
    group = name.removeprefix(TABLES[name][0]).strip()
    return [row for row in every if row.get("group", group) == group]


def table(name: str, page: str, headings: Mapping[str, str]) -> Iterable[str]:
    """Write a table of `TABLES`, line by line."""
    file, columns = TABLES[name]
    yield "| " + " | ".join(heading or "remedy" for heading in columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in chosen(name, rows(file)):
        cells = [figure(row, key) if head else link(row[key], page, headings) for head, key in columns.items()]
        yield "| " + " | ".join(cell or "-" for cell in cells) + " |"


def result(name: str) -> Iterable[str]:
    """Write what was measured of one loss or remedy, a bullet for each row that names it."""
    for file, (where, sentence, comparison) in RESULTS.items():
        named = [(*row["remedy"].partition(", "), row) for row in rows(file)]
        plain = next({f"plain_{key}": row[key] for key in row} for remedy, _, _, row in named if remedy in PLAIN)
        for remedy, comma, remark, row in named:
            if remedy == name:
                said = (sentence if remedy in PLAIN else comparison).format_map(
                    {key: figure(row, key) for key in row} | plain
                )
                bullet = f"- **Result, {where}{comma}{remark}.** {said[0].upper()}{said[1:]}."
                yield from textwrap.wrap(bullet, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def filled(text: str, page: str, headings: Mapping[str, str]) -> str:
    """Return a page with every block between markers written again.

    Raises:
        KeyError: A marker names a table that there is not.
        ValueError: A marker names a remedy of which nothing was measured.
    """

    def block(found: re.Match[str]) -> str:
        opening, kind, name, _, closing = found.groups()
        lines = list(table(name, page, headings) if kind == "table" else result(name))
        if not lines:
            raise ValueError(f"docs/{page}: nothing was measured of {name!r}")
        return opening + "\n".join(["", *lines, "", closing])

    return BLOCK.sub(block, text)


def pages() -> dict[Path, str]:
    """Return every page of `docs/` as it should be."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
    headings = {
        name: page for page in HOMES for name in re.findall(r"^#+ `([^`]+)`$", texts[DOCS / page], flags=re.MULTILINE)
    }
    return {path: filled(text, path.name, headings) for path, text in texts.items()}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that differ."""
    differing = {path: text for path, text in pages().items() if path.read_text(encoding="utf-8") != text}
    for path, text in differing.items():
        if arguments == ["--check"]:
            print(f"{path.name} differs from docs/measurements; run `python docs/tables.py`")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.name}")
    return int(bool(differing) and arguments == ["--check"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
