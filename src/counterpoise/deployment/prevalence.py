"""The decision of a model at another prevalence than that for which it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels
from counterpoise.artifacts import predictions
from counterpoise.artifacts.decision import Decision
from counterpoise.calibration import links
from counterpoise.config import InputError, suggest
from counterpoise.decision import rules
from counterpoise.decision.links import Rule

OPTION = "--prevalence"


def parse(texts: Sequence[str], decision: Decision) -> dict[str, float]:
    """Read shares such as `0.05`, of the class that matters, or `rust=0.05`.

    Raises:
        InputError: One is no share between 0 and 1, or of no class, or a class is named twice; or labels have boxes.

    Returns:
        Class name -> share.
    """
    if decision.boxes is not None:
        raise InputError(
            f"{OPTION} is for classes of images; of boxes, state how many there are in an image by decide.density in "
            "params.yaml, and run `dvc repro decide`"
        )
    shares: dict[str, float] = {}
    for text in texts:
        stated, _, number = text.rpartition("=")
        name = stated or decision.positive
        if name not in decision.classes:
            raise InputError(f"{OPTION} {text} names {name!r}, which is no class; {suggest(name, decision.classes)}")
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if not 0 < share < 1:
            raise InputError(f"{OPTION} {text}: expected a share above 0 and below 1, such as 0.05")
        if name in shares:
            raise InputError(f"{OPTION} states the share of {name!r} twice")
        shares[name] = share
    return shares


def moved(root: Path, content: Mapping[str, Any], decision: Decision, shares: Mapping[str, float]) -> Decision:
    """Make the decision again for other shares, by the same rule, on the same predictions of validation.

    Where classes exclude each other, one share leaves the others their proportions; several must name all classes. Of
    labels that do not, each has its own.

    Args:
        root: The repository.
        content: Its checked parameters; `decide` is used.
        decision: As the pipeline made it.
        shares: Class name -> share, in (0, 1).

    Raises:
        InputError: The shares do not belong to the classes.
        ArtifactError: There are no predictions of validation.
    """
    link = links.of_task(decision.task)
    try:
        if len(shares) == 1:
            ((name, share),) = shares.items()
            prior = link.moved(decision.target, decision.classes.index(name), share)
        else:
            prior = link.stated(shares, decision.classes, np.array(decision.target))
    except ValueError as error:
        raise InputError(f"{OPTION} {error}") from error
    val, decide = predictions.read(root, "val"), content["decide"]
    rule = Rule(
        name=decision.rule,
        costs=decide["costs"],
        beta=decide["beta"],
        floor=decide["floor"],
        search_positives=decide["search_positives"],
        at_least=decide["at_least"],
    )
    truth = labels.indicators(val.labels, val.classes)
    if not _is_same(rules.with_rule(decision, val, truth, rule), decision):
        raise InputError(
            f"{OPTION}: by section decide of params.yaml, and by the predictions of validation, the decision would no "
            "longer be that in models/decision.json; run `dvc repro`"
        )
    offset = tuple(link.offset(decision.val, prior).tolist())
    there = replace(
        decision, target=tuple(np.asarray(prior).tolist()), target_offset=offset, estimated=None, prevalences=()
    )
    return rules.with_rule(there, val, truth, rule)


def _is_same(one: Decision, other: Decision) -> bool:
    """Say whether two decisions go by the same gain and thresholds, but for rounding."""

    def values(of: Decision, name: str) -> NDArray[np.float64]:
        return np.array(getattr(of, name), dtype=np.float64)

    pairs = [(values(one, name), values(other, name)) for name in ("gain", "thresholds")]
    return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-6, equal_nan=True) for a, b in pairs)
