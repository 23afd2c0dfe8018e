"""The section of the report with the training curves."""

from __future__ import annotations

import numpy as np

from counterpoise.report.charts.lines import Line, line_chart
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, as_markup


def training(facts: Facts) -> Part:
    """Show the training curves, or the penalty path of a fit by L-BFGS."""
    curves = facts.curves
    if is_path(facts):
        return _penalty_path(facts)
    epochs = (curves["step"] + 1).tolist() if "step" in curves else list(range(1, len(curves) + 1))

    def chart(columns: list[str], title: str, *, log: bool = False) -> str:
        lines = [
            Line(_series(column), curves[column].tolist(), epochs, series=_COLOURS.get(column)) for column in columns
        ]
        alt = f"{title} over {counted(len(epochs), 'epoch')}. " + " ".join(
            f"{line.name}: {_number(line.y[0])} in the first, {_number(line.y[-1])} in the last." for line in lines
        )
        return line_chart(lines, title=title, alt=alt, mark=facts.best_epoch, mark_name="kept: epoch", log=log)

    losses = [column for column in ("train/loss", "val/loss") if column in curves]
    monitored = [name for name in map(str, curves) if name.startswith("val/") and name != "val/loss"]
    charts: dict[str, str] = {}
    if losses:
        charts["Loss"] = chart(losses, "Loss")
    if monitored:
        charts["Validation figures, raw"] = chart(monitored, "Figures on validation")
    if "learning_rate" in curves:
        rates = curves["learning_rate"]
        positive = rates[rates > 0]
        log = len(positive) > 0 and float(positive.max() / positive.median()) > 10
        charts["Learning rate"] = chart(["learning_rate"], "Learning rate", log=log)
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
    return Part("training", "Training", (text,), as_markup(charts), caption.strip())


def is_path(facts: Facts) -> bool:
    """Say whether a head was fitted along a path of penalties, so that the curves have no epochs."""
    return "penalty" in facts.curves


def _penalty_path(facts: Facts) -> Part:
    """Show the loss and the figures of validation along the L2 penalties."""
    curves = facts.curves
    kept = curves.iloc[-1 if facts.best_epoch is None else facts.best_epoch - 1]
    path = curves[curves["floor"] == kept["floor"]]
    exponents = np.abs(np.log10(path["penalty"])).tolist()

    def chart(columns: list[str], title: str) -> str:
        lines = [Line(_series(name), path[name].tolist(), exponents, series=_COLOURS.get(name)) for name in columns]
        alt = f"{title} for {counted(len(path), 'L2 penalty', 'L2 penalties')}. " + " ".join(
            f"{line.name}: {_number(line.y[0])} with the strongest, {_number(line.y[-1])} with the weakest."
            for line in lines
        )
        return line_chart(
            lines,
            title=title,
            alt=alt,
            x_label="x of the L2 penalty 10^-x, from strong to weak",
            mark=float(np.abs(np.log10(kept["penalty"]))),
            mark_name="kept: x =",
        )

    monitored = [name for name in map(str, curves) if name.startswith("val/") and name != "val/loss"]
    charts = {"Loss": chart(["train/loss", "val/loss"], "Loss")}
    charts["Validation figures, raw"] = chart(monitored, "Figures on validation")
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
    return Part("training", "Training", (text,), as_markup(charts), caption)


_COLOURS = {"train/loss": 6, "val/loss": 0, "learning_rate": 0}


def _series(column: str) -> str:
    name = {"train/loss": "train", "val/loss": "validation"}.get(column, column.removeprefix("val/"))
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    known = finite(value)
    return "n/a" if known is None else f"{known:.3g}"
