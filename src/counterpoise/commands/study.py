"""`counterpoise study`: which remedy helped, by cross-fitting inside train and validation."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from counterpoise import commands
from counterpoise.config import InputError

HELP = "train the arms of study/params.yaml on the same folds, and say which one helped"
GROUP = "Compare"
EXAMPLES = (
    ("counterpoise study", "all arms of study/params.yaml"),
    (
        "counterpoise study --arms focal,over --jobs 4 --budget 30m",
        "two arms, four trainings at a time, within half an hour",
    ),
)
UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which arms are computed, and with how much."""
    parser.add_argument("--arms", metavar="A,B", help="arms to compute (default: all)")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="trainings at a time on this machine (default: 1)"
    )
    parser.add_argument("--budget", metavar="TIME", help="choose folds and repeats that fit, such as 30m or 2h")


def run(arguments: argparse.Namespace) -> str:
    """Run the study of the repository in the current folder.

    Raises:
        InputError: A parameter is wrong, or another study runs here.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.study import arms, page, pool, study, summary  # import torch

    if arguments.jobs < 1:
        raise InputError(f"--jobs: found {arguments.jobs}; expected at least 1")
    budget_s, root = None if arguments.budget is None else _seconds(arguments.budget), Path.cwd()
    content = commands.checked_params(root)
    plan = arms.read(root, content)
    given = [] if arguments.arms is None else _names(arguments.arms)
    chosen = plan.chosen(given)
    engine, jobs = pool.choose(root, arguments.jobs)
    names = [arm.name for arm in chosen]
    seconds = study.measure(root, content, plan, chosen)
    if budget_s is not None:

        def missing(fewer: arms.Plan) -> int:
            return study.count(study.prepare(root, content, fewer), names)[1]

        plan = study.within_budget(plan, missing, seconds, jobs, budget_s)
    every, left = study.count(study.prepare(root, content, plan), names)
    rest = f"the others about {study.written(seconds * left / jobs)} together" if left else "no other is left"
    print(
        f"{len(chosen)} arms, {plan.study.design}: {every} trainings, of which "
        f"{every - left} are kept from before; one takes {seconds:.1f} s, {rest}",
        file=sys.stderr,
    )
    if few := plan.study.few_trainings:
        print(few, file=sys.stderr)
    try:
        result = study.run(root, content, plan, given, engine)
    except KeyboardInterrupt:
        print("\nfinished trainings are kept", end="", file=sys.stderr)
        raise
    *others, last = (summary.JSON, summary.METRICS, summary.DIFFERENCES, summary.LEADERBOARD, study.SECONDS)
    return (
        f"{summary.leaderboard(result)}\nwrote {', '.join(others)} and {last}\n"
        f"open {page.PATH} in a browser to see the same as charts"
    )


def _names(text: str) -> list[str]:
    """Split the names of arms; nothing but separators is a slip, and does not mean all."""
    from counterpoise.study.arms import PATH, SEPARATOR

    names = [name.strip() for name in text.split(SEPARATOR) if name.strip()]
    if not names:
        raise InputError(f"--arms: found {text!r}; expected names of arms in {PATH}, such as focal,over (default: all)")
    return names


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|m|h)", text.strip())
    if found is None or float(found[1]) <= 0:
        raise InputError(f"--budget: found {text!r}; expected a time such as 90s, 30m or 2h")
    return float(found[1]) * UNITS_S[found[2]]
