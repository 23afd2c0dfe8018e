"""Conflicts between settings of `decide`: target, costs and unlabelled images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpoise import tasks
from counterpoise.calibration import prior_ledger
from counterpoise.config import PATH
from counterpoise.conflicts.data import mixed_with_outputs
from counterpoise.decision import boxes


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse files that must not decide, shares that no classes could have, and costs without the rule that uses them.

    Whether the classes of a stated target exist, `split` checks.
    """
    target, costs, rule = (content["decide"][key] for key in ("target", "costs", "rule"))
    yield from _unlabelled(content["decide"]["unlabelled"], content["demo"]["name"])
    if isinstance(target, Mapping) and (fault := prior_ledger.refuses(target, task=content["task"])):
        yield f"{PATH}: decide.target {fault}"
    yield from _boxes(content["task"], rule, content["decide"]["calibrator"], content["decide"]["density"])
    if rule == "least_cost" and not costs:
        yield f"{PATH}: decide.rule is 'least_cost', but decide.costs is empty; state the costs, or choose another rule"
    if costs and rule != "least_cost":
        yield (
            f"{PATH}: decide.costs is given, but decide.rule {rule!r} does not use it; set decide.rule to "
            f"'least_cost', or decide.costs to {{}}"
        )


def _boxes(task: str, rule: str, calibrator: str, density: Mapping[str, float]) -> Iterator[str]:
    """Refuse what needs boxes where there are none, and what boxes rule out."""
    if not tasks.find(task).HAS_BOXES:
        if rule in boxes.OF_BOXES_ALONE:
            yield (
                f"{PATH}: decide.rule {rule!r} counts boxes, which task {task!r} does not have; choose another rule, "
                "such as 'f_beta'"
            )
        if density:
            yield (
                f"{PATH}: decide.density counts boxes, which task {task!r} does not have; set it to {{}}, and state "
                "class shares in decide.target"
            )
        return
    if rule not in boxes.RULES:
        yield (
            f"{PATH}: decide.rule {rule!r} needs the number of boxes that are rightly left out, which nobody can "
            f"count; set it to one of {list(boxes.RULES)}"
        )
    if calibrator not in ("auto", *boxes.CALIBRATORS):
        yield (
            f"{PATH}: decide.calibrator {calibrator!r} has no bias for each class, and how many boxes a detector "
            f"proposes is no share of the world; set it to one of {['auto', *boxes.CALIBRATORS]}"
        )


def _unlabelled(where: str, demo: str) -> Iterator[str]:
    """Refuse a place outside, and one that the pipeline fills: no choice may use predictions for test."""
    parts = Path(where).parts
    if Path(where).is_absolute() or ".." in parts or not parts:
        yield (
            f"{PATH}: decide.unlabelled is {where!r}; expected a file or folder inside the repository, such as "
            "data/unlabelled"
        )
    elif parts[0] in ("results", "models", "reports"):
        yield (
            f"{PATH}: decide.unlabelled is {where!r}, which the pipeline writes; no choice may depend on predictions "
            "for test. Set it to a file of `counterpoise predict --logits`, such as data/unlabelled/there.parquet"
        )
    else:
        yield from mixed_with_outputs("decide.unlabelled", where, demo)
