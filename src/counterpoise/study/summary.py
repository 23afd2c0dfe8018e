"""The files of a study's results.

`study/summary.json` is for programs, `leaderboard.md` for people, `metrics.json` and `differences.csv` for DVC.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

from counterpoise.report.texts import write_value
from counterpoise.study.advice import advice
from counterpoise.study.cells import VIEWS
from counterpoise.study.results import NOUNS, Row, Summary, in_order, winner
from counterpoise.study.verdicts import LEAST_UNITS, NoVerdict, Verdict, Word
from counterpoise.study.wording import digits_of, sentence, with_interval

JSON = "study/summary.json"
LEADERBOARD = "study/leaderboard.md"
METRICS = "study/metrics.json"
DIFFERENCES = "study/differences.csv"
COLUMNS = ("arm", "control", "word", "difference", "low", "high")
"""Of `DIFFERENCES`."""


def to_json(summary: Summary) -> dict[str, Any]:
    """Return what `study/summary.json` holds; what is infinite or undefined is null."""
    study, confirmation = summary.study, summary.confirmation
    declared = {name: getattr(study, name) for name in ("figure", "view", "margin", "folds", "repeats", "seed")}
    arms = {
        row.name: {
            "control": row.control,
            "changes": dict(row.changes),
            **_found(row.found, study.margin, summary.images_to_add),
            **_labels(row.labels),
            "figures": {view: _finite(figures) for view, figures in row.means.items()},
        }
        for row in summary.rows
    }
    size = {name: getattr(summary, name) for name in ("images", "positive", "rarest", "units", "comparisons")}
    head = {**declared, **size, "left_out": list(summary.left_out)}
    read = confirmation and {
        "arm": confirmation.arm,
        "control": confirmation.control,
        **_found(confirmation.found, study.margin, images=""),
    }
    return {**head, "arms": arms, "confirmation_on_test": read}


def to_metrics(summary: Summary) -> dict[str, float | int]:
    """Return what `study/metrics.json` holds: few numbers, since `dvc metrics show` gives each a column."""
    found = [row.found for row in summary.rows if isinstance(row.found, Verdict)]
    counts: dict[str, float | int] = {f"arms_{word}": sum(one.word == word for one in found) for word in get_args(Word)}
    counts["arms_without_verdict"] = summary.without_verdict
    best = winner(summary.rows)
    of_best = [row for row in summary.rows if row.control is None and best is not None and row.name == best.control]
    control = next(iter([*of_best, *summary.controls]), None)
    for name, row in (("control", control), ("winner", best)):
        if row is not None and (value := summary.mean(row)) is not None:
            counts[f"{name}_{summary.study.figure}"] = value
    return counts


def _found(found: Verdict | NoVerdict | None, margin: float, images: str) -> dict[str, Any]:
    if found is None:
        return {}
    if isinstance(found, NoVerdict):
        return {"word": None, "sentence": sentence(found, margin)}
    return {**_finite(asdict(found)), "sentence": sentence(found, margin, images)}


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write null for what is infinite or undefined, which JSON does not know."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def _labels(found: Mapping[str, Verdict | NoVerdict]) -> dict[str, Any]:
    """Write the verdicts on labels, if there are any: words and intervals."""
    short = {
        label: {"word": one.word, "difference": one.difference, "low": one.low, "high": one.high}
        if isinstance(one, Verdict)
        else {"word": None, "reason": one.reason}
        for label, one in found.items()
    }
    return {"labels": short} if short else {}


def leaderboard(summary: Summary) -> str:
    """Write `study/leaderboard.md`."""
    study, noun = summary.study, NOUNS[summary.study.figure]
    columns = [(f"{noun}, {view}", view, study.figure) for view in VIEWS]
    if study.figure != "average_precision":
        columns.append((f"average precision of `{summary.positive}`, calibrated", "calibrated", "average_precision"))
    rows = in_order(summary.rows)
    lines = [
        "# Which remedy helped",
        "",
        f"**What should I do?** {' '.join(advice(summary))}",
        "",
        f"Verdicts are about {noun}, {study.view}: {study.design} of train and "
        f"validation, {summary.units} independent images of {summary.kind} `{summary.rarest}`. "
        f"{summary.coverage}. {_left_out(summary)}All other columns only describe.",
        "",
        f"| arm | compared with | verdict | difference | {' | '.join(heading for heading, _, _ in columns)} |",
        f"|---|---|---|---|{'---|' * len(columns)}",
    ]
    lines += [_line(row, study.margin, [(view, figure) for _, view, figure in columns]) for row in rows]
    lines += ["", "What each verdict says:", ""]
    said = [(row.name, sentence(row.found, study.margin, summary.images_to_add)) for row in rows if row.found]
    lines += [f"- `{name}` {text}." for name, text in said]
    return "\n".join([*lines, *_of_labels(summary)]) + "\n"


def _left_out(summary: Summary) -> str:
    if not summary.left_out:
        return ""
    return f"Too rare, and left out of the mean over labels: {', '.join(f'`{name}`' for name in summary.left_out)}. "


def _of_labels(summary: Summary) -> list[str]:
    """Say for which labels an arm is better or worse; nothing if no label has a verdict of its own."""
    judged = labels_judged(summary.rows)
    if not judged:
        return []
    margin = summary.study.margin
    lines = [
        f"- `{row.name}`, `{label}` {sentence(found, margin)}."
        for row in summary.rows
        for label, found in row.labels.items()
        if isinstance(found, Verdict) and found.word in ("better", "worse")
    ]
    head = (
        f"Single labels: {len(judged)} labels with at least {LEAST_UNITS} independent images, corrected for "
        f"{summary.comparisons} arms and {len(judged)} labels together."
    )
    return ["", head if lines else f"{head} No arm is better or worse for any of them.", "", *lines]


def labels_judged(rows: Sequence[Row]) -> list[str]:
    """List the labels that have verdicts of their own."""
    return list(dict.fromkeys(label for row in rows for label in row.labels))


def differences(summary: Summary) -> str:
    """Write `study/differences.csv`: the difference of each arm with its interval."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in summary.rows:
        if isinstance(row.found, Verdict):
            numbers = (row.found.difference, row.found.low, row.found.high)
            digits = digits_of(row.found.low, row.found.high, summary.study.margin, least=6)
            writer.writerow([row.name, row.control, row.found.word, *(f"{number:.{digits}f}" for number in numbers)])
    return file.getvalue()


def _line(row: Row, margin: float, columns: Sequence[tuple[str, str]]) -> str:
    """Write the row of an arm; `columns` are views and figures of which the means are shown."""
    word, difference = "control" if row.control is None else "none", ""
    if isinstance(row.found, Verdict):
        word, difference = row.found.word, with_interval(row.found, margin)
    means = [write_value(row.means[view].get(figure), 3) if row.means else "" for view, figure in columns]
    return f"| `{row.name}` | {row.control or ''} | {word} | {difference} | {' | '.join(means)} |"
