"""The section of the report with the training curves."""

from __future__ import annotations

from counterpoise.report.charts.lines import Line, line_chart
from counterpoise.report.charts.svg import finite
from counterpoise.report.charts.texts import write_value
from counterpoise.report.facts import Facts, counted
from counterpoise.report.parts import Part, as_markup


def training(facts: Facts) -> Part:
    """Show the training curves."""
    curves = facts.curves
    steps = ("penalty", "penalties") if is_path(facts) else ("epoch", "epochs")
    epochs = (curves["step"] + 1).tolist() if "step" in curves else list(range(1, len(curves) + 1))

    def chart(columns: list[str], title: str, *, log: bool = False) -> str:
        lines = [
            Line(_series(column), curves[column].tolist(), epochs, series=_COLOURS.get(column)) for column in columns
        ]
        alt = f"{title} over {counted(len(epochs), *steps)}. " + " ".join(
            f"{line.name}: {_number(line.y[0])} in the first, {_number(line.y[-1])} in the last." for line in lines
        )
        return line_chart(lines, title=title, alt=alt, mark=facts.best_epoch, mark_name=f"kept: {steps[0]}", log=log)

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
    text = f"Training with loss “{facts.card.loss}” took {counted(len(epochs), *steps)}"
    if is_path(facts) and facts.best_epoch is not None:
        penalty = curves["penalty"].iloc[facts.best_epoch - 1]
        text += (
            f" from strong to weak, each fitted by L-BFGS; validation chose number {facts.best_epoch}, {penalty:.2g}."
        )
    else:
        text += f"; the weights of epoch {facts.best_epoch} were kept." if facts.best_epoch is not None else "."
    if len(losses) == 2:
        row = curves.iloc[-1 if facts.best_epoch is None else min(facts.best_epoch, len(curves)) - 1]
        text += f"{'' if facts.best_epoch is None else f' At that {steps[0]},'} the loss is"
        text += f" {write_value(row['train/loss'])} on train and {write_value(row['val/loss'])} on validation."
    dropout = (", with dropout", ", without dropout") if facts.card.dropout else ("", "")
    caption = f"The train loss is measured during the epoch{dropout[0]}; the validation loss after it{dropout[1]}."
    if is_path(facts):
        caption = "The train loss leaves out the penalty. Each fit starts at the one before."
    caption = caption if len(losses) == 2 else ""
    if monitored:
        caption += (
            f" Validation figures are means over all {facts.words.nouns}, raw; the headline shows test, re-decided."
        )
    return Part("training", "Training", (text,), as_markup(charts), caption.strip())


def is_path(facts: Facts) -> bool:
    """Say whether a head was fitted along a path of penalties, so that the curves have no epochs."""
    return "penalty" in facts.curves


_COLOURS = {"train/loss": 6, "val/loss": 0, "learning_rate": 0}


def _series(column: str) -> str:
    name = {"train/loss": "train", "val/loss": "validation"}.get(column, column.removeprefix("val/"))
    return name.replace("_", " ")


def _number(value: float | None) -> str:
    known = finite(value)
    return "n/a" if known is None else f"{known:.3g}"
