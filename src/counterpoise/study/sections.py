"""The parts of the page of a study: each figure with its chart, and what it says in words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, get_args

import numpy as np

from counterpoise.report.facts import quote
from counterpoise.report.parts import Fold, Part, Table, drawn
from counterpoise.report.texts import write_count, write_value
from counterpoise.study.results import DECIDING, Row, Summary, in_order, typical
from counterpoise.study.verdicts import LEAST_UNITS, NoVerdict, Verdict, Word, power
from counterpoise.study.wording import sentence, signed, with_interval

if TYPE_CHECKING:
    import altair as alt

FACTORS = (1, 2, 4)
"""Times as many images, of which the power is drawn."""
STEPS = 41
"""Points of a curve."""
MOST_CHARTS = 6
"""With more controls, arms share one chart."""
DIGITS = 3
WORDS = get_args(Word)


def parts(summary: Summary) -> list[Part]:
    """Make the parts of the page, in their order."""
    if not any(row.means for row in summary.rows):
        return [_table(summary)]
    made = (_differences, _confirmation, _views, _calibration, _power, _labels, _table)
    return [part for part in (make(summary) for make in made) if part is not None]


def _differences(summary: Summary) -> Part | None:
    import pandas as pd

    from counterpoise.study import charts

    found = {row.name: row.found for row in summary.rows if isinstance(row.found, Verdict)}
    if not found:
        return None
    margin = summary.study.margin
    ends = charts.ends([end for one in found.values() for end in (one.low, one.high)], margin)

    def forest(rows: Sequence[Row], title: str) -> alt.LayerChart:
        table = [_forest_row(row.name, found[row.name], margin) for row in rows]
        described = "; ".join(f"{row['arm']}: {row['word']}, {row['printed']}" for row in table)
        return charts.forest(
            pd.DataFrame(table), margin=margin, domain=ends, title=title, description=f"{title}. {described}"
        )

    judged = sorted((row for row in summary.rows if row.name in found), key=lambda row: -found[row.name].difference)
    return Part(
        anchor="differences",
        heading="Difference from the control",
        text=(
            f"Each line is the interval of the difference in {summary.noun} ({summary.study.view}) between an arm "
            f"and its control. {summary.coverage}.",
            f"The band is the margin of ±{margin:g}: a smaller difference counts as none. An interval that leaves out "
            "0 makes an arm better or worse; one inside the band makes it equivalent; any other is undecided.",
        ),
        charts=drawn(*_by_control(judged, forest)),
        caption="All charts have the same axis. An arm is compared only with a control that has the same solver and "
        "the same number of settings.",
    )


def _forest_row(name: str, found: Verdict, margin: float) -> dict[str, object]:
    printed = "identical" if found.word == "identical" else _minus(with_interval(found, margin))
    numbers = {"difference": found.difference, "low": found.low, "high": found.high}
    return {"arm": name, "word": found.word, "printed": printed, **numbers}


def _signed(value: float) -> str:
    return _minus(signed(value, DIGITS))


def _minus(text: str) -> str:
    """Write minus signs of numbers as such."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", text)


def _by_control(rows: Sequence[Row], draw: Callable[[Sequence[Row], str], alt.LayerChart]) -> list[alt.LayerChart]:
    """Draw one chart for the arms of each control, the one with most arms first."""
    controls = list(dict.fromkeys(row.control for row in rows))
    if len(controls) > MOST_CHARTS:
        return [draw(rows, "Compared with their controls")]
    groups = [[row for row in rows if row.control == control] for control in controls]
    titles = {control: f"Compared with {control}" if control else "Controls" for control in controls}
    return [draw(own, titles[own[0].control]) for own in sorted(groups, key=len, reverse=True)]


def _confirmation(summary: Summary) -> Part | None:
    read = summary.confirmation
    if read is None:
        return None
    return Part(
        anchor="test",
        heading="On test",
        text=(
            f"After the verdicts, test was read once, for {quote(read.arm)} and its control {quote(read.control)}: "
            f"{_minus(sentence(read.found, summary.study.margin, images=''))}.",
            read.leaves_out,
            "Test has fewer images than train and validation together, so it can only show large differences.",
        ),
    )


def _views(summary: Summary) -> Part | None:
    import pandas as pd

    from counterpoise.study import charts

    figure, means = summary.study.figure, {row.name: row.means for row in summary.rows}
    apart = {
        row.name: {
            view: means[row.name][view].get(figure, np.nan) - means[row.control][view].get(figure, np.nan)
            for view in charts.VIEWS
        }
        for row in summary.rows
        if row.control is not None and row.means and means[row.control]
    }
    finite = {name: own for name, own in apart.items() if np.isfinite(list(own.values())).all()}
    if not finite:
        return None
    margin = summary.study.margin
    ends = charts.ends([value for own in finite.values() for value in own.values()], margin)

    def draw(rows: Sequence[Row], title: str) -> alt.LayerChart:
        table = [
            {"arm": row.name, "version": view, "value": value, "printed": _raw_and_decided(finite[row.name])}
            for row in rows
            for view, value in finite[row.name].items()
        ]
        described = "; ".join(f"{row.name}: {_raw_and_decided(finite[row.name])}" for row in rows)
        text = f"{title}. {described}"
        return charts.versions(
            pd.DataFrame(table), charts.VIEWS, margin=margin, domain=ends, title=title, description=text
        )

    judged = sorted((row for row in summary.rows if row.name in finite), key=lambda row: -finite[row.name]["raw"])
    answer = "answer" if summary.of_labels else "class"
    seen = (
        "An arm whose raw mark is far to the right, and whose decided mark is near 0, only moved the threshold: "
        "the rule of the pipeline does the same for the control."
        if summary.study.figure in DECIDING
        else f"No threshold changes {summary.noun}, and calibration hardly does, so the three marks lie close together."
    )
    return Part(
        anchor="views",
        heading="Three views side by side",
        text=(
            f"The same difference in {summary.noun} in three views: raw (the most probable {answer} of the model "
            "itself), calibrated, and decided (under the rule of the pipeline).",
            seen,
        ),
        charts=drawn(*_by_control(judged, draw)),
        caption=f"Means over all folds and repeats. They describe; verdicts are about {summary.study.view} alone.",
    )


def _raw_and_decided(values: dict[str, float]) -> str:
    return f"raw {_signed(values['raw'])}, decided {_signed(values['decided'])}"


def _calibration(summary: Summary) -> Part | None:
    import pandas as pd

    from counterpoise.study import charts

    looks = {view: charts.VIEWS[view] for view in ("raw", "calibrated")}
    losses = {
        row.name: {view: row.means[view]["log_loss"] for view in looks}
        for row in summary.rows
        if row.means and "log_loss" in row.means["raw"]
    }
    if not losses:
        return None
    ends = charts.ends([value for own in losses.values() for value in own.values()], None)

    def draw(rows: Sequence[Row], title: str) -> alt.LayerChart:
        own = [next(row for row in summary.rows if row.name == rows[0].control)] if rows[0].control else []
        named = [row for row in (*own, *rows) if row.name in losses]
        printed = {
            row.name: " → ".join(write_value(value, DIGITS) for value in losses[row.name].values()) for row in named
        }
        table = [
            {"arm": row.name, "version": view, "value": value, "printed": printed[row.name]}
            for row in named
            for view, value in losses[row.name].items()
        ]
        described = "; ".join(f"{name}: {text}" for name, text in printed.items())
        text = f"{title}. {described}"
        return charts.versions(pd.DataFrame(table), looks, margin=None, domain=ends, title=title, description=text)

    compared = [row for row in summary.rows if row.name in losses and row.control is not None]
    ordered = sorted(compared, key=lambda row: losses[row.name]["calibrated"]) or [
        row for row in summary.rows if row.name in losses
    ]
    return Part(
        anchor="calibration",
        heading="Calibration",
        text=(
            "Log loss of the probabilities, raw and calibrated; lower is better. Weights, sampling and many losses "
            "distort raw probabilities, and calibration corrects this.",
            "The control is in the first line.",
        ),
        charts=drawn(*_by_control(ordered, draw)),
        caption="Binary cross-entropy in nats, the mean over images and classes. It describes; no verdict is about it.",
    )


def _power(summary: Summary) -> Part | None:
    import pandas as pd

    from counterpoise.report.charts.lines import Axis, Mark, lines

    middle = typical(summary.verdicts)
    if middle is None:
        return None
    margin = summary.study.margin
    sizes = np.linspace(0, max(1.5 * middle.detectable, margin), STEPS)
    colors = ("focus", "compare", "compare")
    frames = [
        pd.DataFrame(
            {
                "series": _as_many(summary, factor),
                "x": sizes,
                "y": power(middle, sizes, comparisons=summary.comparisons, factor=factor),
                "color": color,
            }
        )
        for factor, color in zip(FACTORS, colors, strict=True)
    ]
    title = "How often a true difference is found"
    found = f"a difference of {middle.detectable:.2f} in 4 of 5 studies, and of half this size with four times as many"
    chart = lines(
        pd.concat(frames, ignore_index=True),
        x=Axis(f"true difference in {summary.noun}"),
        y=Axis("share of studies"),
        title=title,
        description=f"{title}: with {summary.units} independent images of {summary.kind} {summary.rarest} {found}.",
        mark=Mark(margin, f"margin {margin:g}"),
    )
    return Part(
        anchor="power",
        heading="What this data set can show",
        text=_what_decides(summary, found),
        charts=drawn(chart),
        caption=f"For the arm whose interval has the median width (standard error {middle.se:.3f}), corrected "
        f"for {summary.comparisons} comparisons.",
    )


def _as_many(summary: Summary, factor: int) -> str:
    """Name a curve of the power; of a mean over labels, all of which have `factor` times as many images."""
    if not summary.of_labels:
        return f"{write_count(factor * summary.units)} images"
    return "now" if factor == 1 else f"{factor} times"


def _what_decides(summary: Summary, found: str) -> tuple[str, str]:
    """Say which images decide how small a difference can be seen.

    Args:
        summary: What a study found.
        found: What it finds now and with four times as many.
    """
    repeats = "More repeats help only as far as folds and seeds cause the variance; more labelled images of"
    if summary.of_labels:
        return (
            f"The images of all labels decide how small a difference can be seen; {quote(summary.rarest)}, the rarest "
            f"that counts, has {summary.units} independent images. A study like this finds {found} images of every "
            "label.",
            f"{repeats} rare labels always help.",
        )
    return (
        f"The images of the rarest class decide how small a difference can be seen. With {summary.units} "
        f"independent images of {quote(summary.rarest)}, a study like this finds {found} of them.",
        f"{repeats} this class always help.",
    )


def _labels(summary: Summary) -> Part | None:
    judged = list(dict.fromkeys(label for row in summary.rows for label in row.labels))
    if not judged:
        return None
    margin = summary.study.margin
    every = [(row.name, label, found) for row in summary.rows for label, found in row.labels.items()]
    sure = [(n, k, f) for n, k, f in every if isinstance(f, Verdict) and f.word in ("better", "worse")]
    words = Counter((label, found.word) for _, label, found in every if isinstance(found, Verdict))
    counts = tuple((label, *(str(words[label, word]) for word in WORDS)) for label in judged)
    head = ("arm", "label", "verdict", "difference")
    cells = tuple((n, k, f.word, _minus(with_interval(f, margin))) for n, k, f in sure)
    table = Table("Arms that are better or worse for a label", head, cells, 3)
    return Part(
        anchor="labels",
        heading="Single labels",
        text=(
            f"Verdicts on the {len(judged)} labels with at least {LEAST_UNITS} independent images. Intervals are wider "
            f"than above: they are corrected for {summary.comparisons} arms and {len(judged)} labels together.",
            "" if sure else "No arm is better or worse for any single label.",
        ),
        tables=(table,) if sure else (),
        folds=(Fold("Number of arms by label and verdict", (Table("Arms by verdict", ("label", *WORDS), counts),)),),
    )


def _table(summary: Summary) -> Part:
    study = summary.study
    columns: list[tuple[str, str, str]] = [(view, study.figure, view) for view in ("raw", "calibrated", "decided")]
    columns += [("calibrated", "average_precision", f"average precision of {summary.positive}")]
    columns += [("calibrated", "log_loss", "log loss")]
    columns += [("calibrated", "calibration_error", "calibration error")]
    known = {figure for row in summary.rows if row.means for figure in row.means["calibrated"]}
    columns = [column for column in columns if column[1] in known or not known]
    rows = [
        (
            row.name,
            _word(row),
            row.control or "",
            *(write_value(row.means[view].get(figure), DIGITS) if row.means else "" for view, figure, _ in columns),
        )
        for row in in_order(summary.rows)
    ]
    head = ("arm", "verdict", "compared with", *(name for _, _, name in columns))
    more = summary.images_to_add
    said = [(row.name, _minus(sentence(row.found, study.margin, more))) for row in in_order(summary.rows) if row.found]
    changes = [(row.name, json.dumps(dict(row.changes), ensure_ascii=False)) for row in summary.rows]
    return Part(
        anchor="arms",
        heading="All arms",
        text=("Means over all folds and repeats. Only verdicts take chance into account; the other columns describe.",),
        tables=(
            Table(
                f"{summary.noun[0].upper()}{summary.noun[1:]} raw, calibrated and decided; the other columns are of "
                "calibrated probabilities",
                head,
                tuple(rows),
                3,
            ),
        ),
        folds=(
            Fold("What each verdict says", (Table("Verdicts", ("arm", "verdict"), tuple(said), 2),)),
            Fold("What each arm changes", (Table("Parameters", ("arm", "changes"), tuple(changes), 2),)),
        ),
    )


def _word(row: Row) -> str:
    if isinstance(row.found, Verdict):
        return row.found.word
    return "none" if isinstance(row.found, NoVerdict) else "control"
