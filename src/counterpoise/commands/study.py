"""`counterpoise study`: which remedy helped, by cross-fitting inside train and validation."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from counterpoise import commands
from counterpoise.config import InputError

HELP = "train the arms of study/params.yaml on the same folds, and say which one helped"
UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which arms are computed, and with how much."""
    parser.add_argument("--arms", default="", metavar="A,B", help="arms to compute (default: all)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trainings at a time (default: 1)")
    parser.add_argument("--budget", metavar="TIME", help="choose folds and repeats that fit, such as 30m or 2h")


def run(arguments: argparse.Namespace) -> str:
    """Run the study of the repository in the current folder.

    Raises:
        InputError: A parameter is wrong, or another study runs here.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.study import arms, pool, study, summary  # import torch

    if arguments.jobs < 1:
        raise InputError(f"--jobs: found {arguments.jobs}; expected at least 1")
    budget_s, root = None if arguments.budget is None else _seconds(arguments.budget), Path.cwd()
    content = commands.checked_params(root)
    plan = arms.read(root, content)
    names = [name.strip() for name in arguments.arms.split(arms.SEPARATOR) if name.strip()]
    chosen = plan.chosen(names)
    seconds = study.measure(root, content, plan, chosen)
    if budget_s is not None:
        plan = study.within_budget(plan, chosen, seconds, arguments.jobs, budget_s)
    count = study.trainings(chosen) * plan.study.folds * plan.study.repeats
    print(
        f"{len(chosen)} arms, {plan.study.folds} folds x {plan.study.repeats} repeats: {count} trainings; one "
        f"took {seconds:.1f} s, all would take about {study.written(seconds * count / arguments.jobs)}",
        file=sys.stderr,
    )
    result = study.run(root, content, plan, names, pool.in_processes(arguments.jobs))
    return f"{summary.leaderboard(result)}\nwrote {summary.JSON}, {summary.LEADERBOARD} and {study.SECONDS}"


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|m|h)", text.strip())
    if found is None or float(found[1]) <= 0:
        raise InputError(f"--budget: found {text!r}; expected a time such as 90s, 30m or 2h")
    return float(found[1]) * UNITS_S[found[2]]
