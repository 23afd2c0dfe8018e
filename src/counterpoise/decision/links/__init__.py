"""How decisions are made of probabilities, a file for each link.

A file `decision/links/<link>.py` holds the functions of `DecisionLink`: what a rule sets, how it decides, and between
which shares unlabelled predictions are to tell.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from counterpoise import tasks
from counterpoise.artifacts.decision import Decision
from counterpoise.decision import precision_floor, thresholds

Floats = NDArray[np.float64]
OF_VALIDATION = ("f_beta", "precision_floor")
"""Rules whose threshold follows from validation; with one class per image they need two classes."""


@dataclass(frozen=True)
class Rule:
    """What a decision should be good for.

    Attributes:
        name: `decide.rule`.
        costs: `least_cost` alone: what errors cost, by class name.
        beta: `f_beta` alone: how much more recall counts than precision, positive.
        floor: `precision_floor` alone: the minimum precision expected from validation, in (0, 1).
        search_positives: `f_beta` alone: from so many positives on, the threshold is searched on their truths.
        at_least: Many labels alone: labels that each image gets at the least.
    """

    name: str
    costs: Mapping[str, Mapping[str, float]]
    beta: float
    floor: float
    search_positives: int
    at_least: int


@dataclass(frozen=True)
class Scored:
    """Validation as a rule sees it.

    Attributes:
        probs: (n, c) calibrated probabilities under validation's own prior.
        truth: (n, c) the labels of its images.
        groups: (n,) group of each image.
    """

    probs: Floats
    truth: NDArray[np.bool_]
    groups: NDArray[np.str_]


@dataclass(frozen=True)
class ShiftProblem:
    """Shares that are estimated together: those of all classes, or of a label and its absence.

    Attributes:
        label: The label; `None` where it is all classes.
        unlabelled: (n, k) probabilities of unlabelled images under `prior`.
        val: (m, k) the same of validation.
        targets: (m,) indices of what is true in validation.
        prior: (k,) shares in validation.
    """

    label: str | None
    unlabelled: Floats
    val: Floats
    targets: NDArray[np.int64]
    prior: Floats


class DecisionLink(Protocol):
    """What the file of a link offers."""

    SIDES: str
    """Images `with` a class, or `with or without` it, must be known to estimate its share."""

    def check_costs(self, costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> None:
        """Check `decide.costs` as far as the classes are known.

        Raises:
            ValueError: Costs name no class, or are impossible.
        """

    def with_rule(self, decision: Decision, rule: Rule, val: Scored) -> Decision:
        """Add what the rule decides by, at the target prior.

        Raises:
            ValueError: Costs name no class, or the rule does not suit the classes.
        """

    def decided(self, decision: Decision, probs: Floats) -> NDArray[np.bool_]:
        """Decide by the rule of a decision, probabilities (n, c) to booleans (n, c)."""

    def never_decided(self, decision: Decision) -> list[str]:
        """Name the classes that no probability decides for."""

    def few_images(self, truth: NDArray[np.bool_], least: int) -> list[int]:
        """List the classes of which validation, (m, c), has too few images to know what they look like."""

    def shift_problems(
        self, decision: Decision, unlabelled: Floats, val: Floats, truth: NDArray[np.bool_]
    ) -> list[ShiftProblem]:
        """Divide probabilities under validation's prior, (n, c) and (m, c), into the shares that are estimated."""

    def gathered(self, values: Sequence[Floats]) -> Floats:
        """Put what was found for each problem, (k,), together for the classes, (c,)."""


def of_task(task: str) -> DecisionLink:
    """Find how decisions of a task are made, by its link."""
    link: DecisionLink = importlib.import_module(f"{__name__}.{tasks.find(task).LINK}")
    return link


def threshold(decision: Decision, rule: Rule, val: Scored, index: int) -> float | None:
    """Choose the threshold of one class against the rest on validation, for one of the rules `OF_VALIDATION`.

    Returns:
        Threshold on the probability at the target prior, in [0, 1]; `None` where no threshold reaches it on validation.
    """
    probs, positives = val.probs[:, index], val.truth[:, index]
    before, after = decision.val[index], decision.target[index]
    if rule.name == "f_beta":
        search = bool(positives.sum() >= rule.search_positives)
        return thresholds.for_f_beta(probs, positives, before, after, rule.beta, search=search)
    return precision_floor.threshold(probs, positives, val.groups, before, after, rule.floor)
