"""What a study says: `study/summary.json` for programs, `leaderboard.md` for people, `metrics.json` for DVC."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from counterpoise.study.arms import Study
from counterpoise.study.cells import VIEWS
from counterpoise.study.verdicts import NoVerdict, Verdict, Word
from counterpoise.study.wording import interval, sentence

JSON = "study/summary.json"
LEADERBOARD = "study/leaderboard.md"
METRICS = "study/metrics.json"
NOUNS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "average_precision": "average precision",
    "mean_average_precision": "mean average precision",
}


@dataclass(frozen=True)
class Row:
    """What a study found of one arm.

    Attributes:
        name: Of the arm.
        control: What it is compared with; `None` for a control.
        changes: What it changes.
        found: The verdict; `None` for a control whose trainings all ended.
        means: View -> figure -> mean over folds and repeats; empty where a training failed or is missing.
    """

    name: str
    control: str | None
    changes: Mapping[str, Any]
    found: Verdict | NoVerdict | None
    means: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Confirmation:
    """The one reading of test, after the verdicts.

    Attributes:
        arm: The winner.
        control: What it was compared with.
        found: The difference on test; the interval is of this one comparison.
    """

    arm: str
    control: str
    found: Verdict | NoVerdict


@dataclass(frozen=True)
class Summary:
    """All that a study says.

    Attributes:
        study: What was declared.
        rarest: The class whose units decide how much can be seen.
        units: How many of them train and validation hold.
        comparisons: How many the intervals are corrected for.
        rows: In the order of the file.
        confirmation: `None` where no arm is better, so that test was not read.
    """

    study: Study
    rarest: str
    units: int
    comparisons: int
    rows: tuple[Row, ...]
    confirmation: Confirmation | None


def winner(rows: Sequence[Row]) -> Row | None:
    """Choose the better arm whose interval begins highest; `None` if none is better."""
    better = [row for row in rows if isinstance(row.found, Verdict) and row.found.word == "better"]
    return max(better, key=lambda row: row.found.low if isinstance(row.found, Verdict) else -math.inf, default=None)


def to_json(summary: Summary) -> dict[str, Any]:
    """Return what `study/summary.json` holds; what is infinite is null."""
    study, confirmation = summary.study, summary.confirmation
    declared = {name: getattr(study, name) for name in ("figure", "view", "margin", "folds", "repeats", "seed")}
    arms = {
        row.name: {
            "control": row.control,
            "changes": dict(row.changes),
            **_found(row.found, study.margin),
            "figures": row.means,
        }
        for row in summary.rows
    }
    head = {**declared, "rarest": summary.rarest, "units": summary.units, "comparisons": summary.comparisons}
    read = confirmation and {
        "arm": confirmation.arm,
        "control": confirmation.control,
        **_found(confirmation.found, study.margin),
    }
    return {**head, "arms": arms, "confirmation_on_test": read}


def to_metrics(summary: Summary) -> dict[str, float | int]:
    """Return what `study/metrics.json` holds: few numbers, since `dvc metrics show` gives each a column."""
    found = [row.found for row in summary.rows if isinstance(row.found, Verdict)]
    counts: dict[str, float | int] = {f"arms_{word}": sum(one.word == word for one in found) for word in get_args(Word)}
    best = winner(summary.rows)
    for name, row in (("control", summary.rows[0]), ("winner", best)):
        if row is not None and row.means:
            counts[f"{name}_{summary.study.figure}"] = row.means[summary.study.view][summary.study.figure]
    return counts


def _found(found: Verdict | NoVerdict | None, margin: float) -> dict[str, Any]:
    if found is None:
        return {}
    if isinstance(found, NoVerdict):
        return {"word": None, "sentence": sentence(found, margin)}
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(found).items()}
    return {**finite, "sentence": sentence(found, margin)}


def leaderboard(summary: Summary) -> str:
    """Write `study/leaderboard.md`."""
    study, noun = summary.study, NOUNS[summary.study.figure]
    lines = [
        "# Which remedy helped",
        "",
        *_advice(summary),
        "",
        f"Verdicts are about {noun}, {study.view}: {study.folds} folds x {study.repeats} repeats of train and "
        f"validation, {summary.units} independent images of class `{summary.rarest}`. The intervals hold the truth for "
        f"all {summary.comparisons} comparisons together with 95 %. All other columns only describe.",
        "",
        f"| arm | compared with | verdict | difference | {' | '.join(f'{noun}, {view}' for view in VIEWS)} | "
        "average precision |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row, study) for row in sorted(summary.rows, key=_order)]
    lines += ["", "What each verdict says:", ""]
    lines += [f"- `{row.name}` {sentence(row.found, study.margin)}." for row in summary.rows if row.found is not None]
    return "\n".join(lines) + "\n"


def _order(row: Row) -> tuple[int, float]:
    """Sort controls first, then by difference, then what has no verdict."""
    if row.control is None:
        return 0, 0.0
    return (1, -row.found.difference) if isinstance(row.found, Verdict) else (2, 0.0)


def _line(row: Row, study: Study) -> str:
    found = row.found
    word, difference = "control" if row.control is None else "none", ""
    if isinstance(found, Verdict):
        word, difference = found.word, f"{found.difference:+.3f} {interval(found.low, found.high, study.margin)}"
    views = [f"{row.means[view][study.figure]:.3f}" if row.means else "" for view in VIEWS]
    precision = f"{row.means['calibrated']['average_precision']:.3f}" if row.means else ""
    return f"| `{row.name}` | {row.control or ''} | {word} | {difference} | {' | '.join(views)} | {precision} |"


def _advice(summary: Summary) -> list[str]:
    """Say in three sentences which arm to use, how sure that is, and what more data would bring."""
    best, rows = winner(summary.rows), [row.found for row in summary.rows if isinstance(row.found, Verdict)]
    if not rows:
        return ["**What should I do?** No arm has a verdict; the reasons are below."]
    noun, margin = NOUNS[summary.study.figure], summary.study.margin
    seen = sorted(found.detectable for found in rows if found.word != "identical")
    power = (
        f"With {summary.units} independent images of class `{summary.rarest}`, this study finds a difference of "
        f"{seen[len(seen) // 2]:.2f} in 4 of 5 cases; four times as many images would show half of it."
        if seen
        else "All arms are identical."
    )
    if best is None or not isinstance(best.found, Verdict):
        controls = " or ".join(f"`{row.name}`" for row in summary.rows if row.control is None)
        return [
            f"**What should I do?** Keep the control ({controls}): no arm is better. "
            f"{sum(found.word == 'equivalent' for found in rows)} of {len(rows)} arms are within {margin:g} of it, and "
            f"{sum(found.word == 'undecided' for found in rows)} are undecided. {power}"
        ]
    shown = interval(best.found.low, best.found.high, margin)
    text = (
        f"**What should I do?** Use `{best.name}`: its {noun} is better than that of `{best.control}`, by "
        f"{best.found.difference:.3f} {shown}, with 95 % for all {summary.comparisons} comparisons together. {power}"
    )
    confirmation = summary.confirmation
    if confirmation is None:
        return [text]
    return [text, "", f"On test, read once after this choice: {sentence(confirmation.found, margin)}."]
