"""The section of the report with the training curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from counterpoise.report.charts.lines import Axis, Mark, lines
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, drawn
from counterpoise.report.texts import finite, write_value

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd


def training(facts: Facts) -> Part:
    """Show the training curves, or the penalty path of a fit by L-BFGS."""
    curves = facts.curves
    if is_path(facts):
        return _penalty_path(facts)
    epochs = (curves["step"] + 1).tolist() if "step" in curves else list(range(1, len(curves) + 1))

    def chart(columns: list[str], title: str, *, log: bool = False) -> alt.LayerChart:
        return _chart(facts, columns, epochs, title, log=log)

    losses = [column for column in ("train/loss", "val/loss") if column in curves]
    monitored = [name for name in map(str, curves) if name.startswith("val/") and name != "val/loss"]
    charts = []
    if losses:
        charts.append(chart(losses, "Loss"))
    if monitored:
        charts.append(chart(monitored, f"On validation, raw, mean over {facts.words.nouns}"))
    if "learning_rate" in curves:
        rates = curves["learning_rate"]
        positive = rates[rates > 0]
        log = len(positive) > 0 and float(positive.max() / positive.median()) > 10
        charts.append(chart(["learning_rate"], "Learning rate", log=log))
    text = f"Training with loss “{facts.card.loss}” took {counted(len(epochs), 'epoch')}"
    text += f"; the weights of epoch {facts.best_epoch} were kept." if facts.best_epoch is not None else "."
    if len(losses) == 2:
        row = curves.iloc[-1 if facts.best_epoch is None else min(facts.best_epoch, len(curves)) - 1]
        text += f"{'' if facts.best_epoch is None else ' At that epoch,'} the loss is"
        text += f" {write_value(row['train/loss'])} on train and {write_value(row['val/loss'])} on validation."
    dropout = (", with dropout", ", without dropout") if facts.card.dropout else ("", "")
    caption = f"The train loss is measured during the epoch{dropout[0]}; the validation loss after it{dropout[1]}."
    caption = caption if len(losses) == 2 else ""
    if monitored:
        caption += (
            f" Validation figures are means over all {facts.words.nouns}, raw; the headline shows test, re-decided."
        )
    return Part("training", "Training", (text,), drawn(*charts), caption.strip(), closed=True)


def _chart(facts: Facts, columns: list[str], epochs: list[int], title: str, *, log: bool) -> alt.LayerChart:
    """Draw columns of the curves over the epochs."""
    curves, best = facts.curves, facts.best_epoch
    description = f"{title} over {counted(len(epochs), 'epoch')}. " + " ".join(
        f"{_series(column)}: {_number(curves[column].iloc[0])} in the first, {_number(curves[column].iloc[-1])} in the "
        "last."
        for column in columns
    )
    return lines(
        _points(curves, columns, epochs),
        x=Axis("epoch", whole=True),
        y=Axis("", log=log),
        title=title,
        description=description,
        mark=None if best is None else Mark(best, f"kept: epoch {best}"),
    )


def _color(column: str) -> str:
    return "validation" if column.startswith("val/") else "compare" if column == "train/loss" else "focus"


def is_path(facts: Facts) -> bool:
    """Say whether a head was fitted along a path of penalties, so that the curves have no epochs."""
    return "penalty" in facts.curves


def _penalty_path(facts: Facts) -> Part:
    """Show the loss and the figures of validation along the L2 penalties."""
    curves = facts.curves
    kept = curves.iloc[-1 if facts.best_epoch is None else facts.best_epoch - 1]
    path = curves[curves["floor"] == kept["floor"]]
    exponents = np.abs(np.log10(path["penalty"])).tolist()

    def chart(columns: list[str], title: str) -> alt.LayerChart:
        ends = (
            f"{_series(name)}: {_number(path[name].iloc[0])} with the strongest, "
            f"{_number(path[name].iloc[-1])} with the weakest."
            for name in columns
        )
        description = f"{title} for {counted(len(path), 'L2 penalty', 'L2 penalties')}. {' '.join(ends)}"
        at = float(np.abs(np.log10(kept["penalty"])))
        return lines(
            _points(path, columns, exponents),
            x=Axis("x of the L2 penalty 10^-x, from strong to weak"),
            y=Axis(""),
            title=title,
            description=description,
            mark=Mark(at, f"kept: x = {at:.3g}"),
        )

    monitored = [name for name in map(str, curves) if name.startswith("val/") and name != "val/loss"]
    charts = [chart(["train/loss", "val/loss"], "Loss")]
    if monitored:
        charts.append(chart(monitored, "Figures on validation, raw"))
    text = (
        f"The head with loss “{facts.card.loss}” was fitted {counted(len(curves), 'time')} along a path of falling L2 "
        f"penalties, and the fit with a penalty of {kept['penalty']:.2g} was kept. Its loss is "
        f"{write_value(kept['train/loss'])} on train "
        f"and {write_value(kept['val/loss'])} on validation."
    )
    caption = (
        "Each point is a fit to the end, with weaker penalties further right. Validation figures are means over all "
        f"{facts.words.nouns}, raw; the headline shows test, re-decided."
    )
    return Part("training", "Training", (text,), drawn(*charts), caption, closed=True)


def _points(curves: pd.DataFrame, columns: list[str], at: Sequence[float]) -> pd.DataFrame:
    """List the points of columns, one after the other, as `charts.lines` takes them."""
    import pandas as pd

    series = [
        pd.DataFrame({"series": _series(column), "x": at, "y": curves[column], "color": _color(column)})
        for column in columns
    ]
    return pd.concat(series, ignore_index=True)


def _series(column: str) -> str:
    name = {"train/loss": "train", "val/loss": "validation"}.get(column, column.removeprefix("val/"))
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    known = finite(value)
    return "n/a" if known is None else f"{known:.3g}"
