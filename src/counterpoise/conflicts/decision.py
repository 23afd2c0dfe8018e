"""Conflicts between settings of `decide`: target, costs and unlabelled images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from counterpoise.calibration import prior_ledger
from counterpoise.config import PATH
from counterpoise.conflicts.data import mixed_with_outputs


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse files that must not decide, shares that no classes could have, and costs without the rule that uses them.

    Whether the classes of a stated target exist, `split` checks.
    """
    target, costs, rule = (content["decide"][key] for key in ("target", "costs", "rule"))
    yield from _unlabelled(content["decide"]["unlabelled"], content["demo"]["name"])
    if isinstance(target, Mapping) and (fault := prior_ledger.refuses(target, task=content["task"])):
        yield f"{PATH}: decide.target {fault}"
    if rule == "least_cost" and not costs:
        yield f"{PATH}: decide.rule is 'least_cost', but decide.costs is empty; state the costs, or choose another rule"
    if costs and rule != "least_cost":
        yield (
            f"{PATH}: decide.costs is given, but decide.rule {rule!r} does not use it; set decide.rule to "
            f"'least_cost', or decide.costs to {{}}"
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
