"""`counterpoise learning-curve`: what more labels would bring, in a table, in words and as a picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from counterpoise import commands, storage
from counterpoise.commands import _outputs
from counterpoise.config import InputError

HELP = "estimate how much twice as many labels would help"
GROUP = "Understand"
EXAMPLES = (
    ("counterpoise learning-curve", "train on 1/8, 1/4, 1/2 and all of train, five times each"),
    (
        "counterpoise learning-curve --fractions 1/4 1/2 1 --replicates 3 --out curve.svg",
        "fewer trainings, and a picture",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how much is trained, and where the picture goes."""
    parser.add_argument(
        "--fractions",
        nargs="+",
        default=[],
        metavar="F",
        help="shares of train to train on (default: 1/8 1/4 1/2 1)",
    )
    parser.add_argument("--replicates", type=int, default=5, metavar="R", help="trainings per share (default: 5)")
    parser.add_argument("--out", metavar="FILE", help="SVG file for a plot of the curves")


def run(arguments: argparse.Namespace) -> str:
    """Measure learning curves of the repository in the current folder, and draw them if a file is given.

    Raises:
        InputError: `params.yaml` is faulty, or a number is no number or out of range.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.study import learning_curve, learning_curve_report  # import torch

    content = commands.checked_params(Path.cwd())
    train_sizes = _fractions(arguments.fractions) or learning_curve.TRAIN_SIZES
    if arguments.out is not None:
        _outputs.check_file("--out", Path(arguments.out), [".svg"], new=False)
    data = learning_curve.read(Path.cwd(), content)
    curves = learning_curve.measure(data, content, train_sizes, arguments.replicates)
    if arguments.out is not None:
        storage.write_text(Path(arguments.out), learning_curve_report.chart(curves))
    return learning_curve_report.table(curves)


def _fractions(texts: Sequence[str]) -> list[Fraction]:
    try:
        return [Fraction(text) for text in texts]
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"--fractions: found {list(texts)}; expected numbers such as 1/4 or 0.25") from error
