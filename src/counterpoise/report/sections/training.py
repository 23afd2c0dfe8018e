"""The section of the report with the training curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.report.charts.lines import Axis, Mark, lines
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, drawn
from counterpoise.report.texts import finite, write_value

if TYPE_CHECKING:
    import altair as alt


def training(facts: Facts) -> Part:
    """Show the training curves."""
    curves = facts.curves
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
    import pandas as pd

    curves, best = facts.curves, facts.best_epoch
    description = f"{title} over {counted(len(epochs), 'epoch')}. " + " ".join(
        f"{_series(column)}: {_number(curves[column].iloc[0])} in the first, {_number(curves[column].iloc[-1])} in the "
        "last."
        for column in columns
    )
    table = pd.concat(
        [
            pd.DataFrame({"series": _series(column), "x": epochs, "y": curves[column], "color": _color(column)})
            for column in columns
        ],
        ignore_index=True,
    )
    mark = None if best is None else Mark(best, f"kept: epoch {best}")
    return lines(
        table, x=Axis("epoch", whole=True), y=Axis("", log=log), title=title, description=description, mark=mark
    )


def _color(column: str) -> str:
    return "validation" if column.startswith("val/") else "compare" if column == "train/loss" else "focus"


def _series(column: str) -> str:
    name = {"train/loss": "train", "val/loss": "validation"}.get(column, column.removeprefix("val/"))
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    known = finite(value)
    return "n/a" if known is None else f"{known:.3g}"
