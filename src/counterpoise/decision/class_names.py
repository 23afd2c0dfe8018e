"""Parameters that name classes, checked as soon as the classes are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from counterpoise.artifacts.classes import Classes
from counterpoise.calibration import links as calibration_links
from counterpoise.config import PATH, InputError, Name, Section, suggest
from counterpoise.decision import links, target_prior


class PositiveName(Section):
    """The part of section `evaluate` that `split` reads too: which class matters."""

    model_config = ConfigDict(extra="ignore")

    positive: Name | None
    """The class that matters; `null` takes the rarest class that validation and test hold in enough units."""


class ClassNames(Section):
    """The part of section `decide` that `split` reads too: what is stated by class."""

    model_config = ConfigDict(extra="ignore")

    target: Literal["natural", "estimated"] | dict[Name, Annotated[float, Field(ge=0, le=1)]]
    """Class shares in deployment. `natural`: as in the labels, before any balancing. {class: share}: for multiclass a
    share for every class, with sum 1; for multilabel any labels, the others stay natural. `estimated`: from unlabelled
    images (`unlabelled`), assuming that images with and without a class look there as they do here; a check of this
    assumption stops the run if it fails."""
    costs: dict[Name, dict[Name, Annotated[float, Field(ge=0, le=1e9)]]]
    """`least_cost` only. Multiclass: {truth: {decision: cost}}; multilabel: {label: {missed: cost, false_alarm: cost}}.
    Costs are from 0 to 1e9, beyond which sums of them lose digits. Costs that are not stated are 1; a right decision
    costs 0."""


def refuse_unknown(
    labelled: Classes,
    *,
    task: str,
    positive: str | None,
    costs: Mapping[str, Mapping[str, float]],
    target: str | Mapping[str, float],
    subclasses: Mapping[str, int],
) -> None:
    """Refuse parameters that name a class that there is not.

    Args:
        labelled: The classes.
        task: What the labels mean.
        positive: `evaluate.positive`.
        costs: `decide.costs`.
        target: `decide.target`, a word or shares by class name.
        subclasses: `model.subclasses`.

    Raises:
        InputError: A name is no class, a class has no share, or costs are impossible. The message says which name was
            probably meant.
    """
    names = labelled.names
    if positive is not None and positive not in names:
        raise InputError(f"{PATH}: evaluate.positive is {positive!r}; {suggest(positive, names)}")
    for name in subclasses:
        if name not in names:
            raise InputError(f"{PATH}: model.subclasses names {name!r}, which is no class; {suggest(name, names)}")
    try:
        links.of_task(task).check_costs(costs, names)
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error
    if isinstance(target, Mapping):
        natural = calibration_links.of_task(task).prior_of_counts(labelled.counts, labelled.images)
        target_prior.stated(target, names, natural, task=task)
