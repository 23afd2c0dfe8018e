"""Choose how logits become probabilities and decisions, from validation alone.

Reads `results/predictions/val.parquet`, `models/model/model.json`, `data/prior.json`. Writes `models/decision.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from counterpoise import calibration, decisions, labels, priors
from counterpoise.artifacts import decision, model, predictions, prior
from counterpoise.config import PATH, InputError, Section, suggest
from counterpoise.stages import run


class Decide(Section):
    """Section `decide`."""

    calibrator: Literal["auto", "none", "temperature", "vector"]
    """`auto` takes `temperature` where the ledger knows the prior that the model saw, and `vector`, which learns the
    prior from validation, where it does not. See `calibration.py`."""
    target: Literal["natural"] | dict[str, float]
    """Prior of deployment: `natural`, as in the labels before any balancing, or a share for each class."""
    rule: Literal["most_probable", "balanced", "least_cost"]
    """What a decision should be good for (`decisions.py`)."""
    costs: dict[str, dict[str, float]]
    """`least_cost` only: {truth: {decision: cost}}; what is not stated costs 1, a right decision 0."""


class Params(Section):
    """What this stage reads."""

    decide: Decide


def choose(
    val: predictions.Predictions,
    natural_counts: tuple[int, ...],
    ledger: tuple[priors.Line, ...],
    params: Decide,
    task: str = "multiclass",
) -> decision.Decision:
    """Choose on validation.

    Args:
        val: Predictions of validation.
        natural_counts: Images of each class before any balancing.
        ledger: Every line that applies to the model.
        params: Section `decide`.
        task: What the labels mean.

    Returns:
        The decision, with both steps of the prior correction.

    Raises:
        InputError: The prior that the model saw is unknown and the calibrator has no bias, or a name is no class.
    """
    classes = val.classes
    targets = labels.targets(val.labels, classes)
    val_images = np.bincount(targets, minlength=len(classes))
    natural, its_own = priors.from_counts(natural_counts), priors.from_counts(val_images)
    target = natural if params.target == "natural" else stated_prior(params.target, classes)
    seen = priors.seen(natural, ledger)
    name = params.calibrator
    if name == "auto":
        name = "vector" if seen is None else "temperature"
    refuse_unknown(name, ledger)
    if seen is None or name in calibration.WITH_BIAS:
        val_offset = np.zeros(len(classes))
    else:
        val_offset = priors.offset(seen, its_own)
    scale, bias = calibration.fit(name, val.logits.astype(np.float64), targets, val_offset)
    try:
        gain = decisions.gain(params.rule, target, decisions.cost_matrix(params.costs, classes))
    except ValueError as error:
        raise InputError(f"{PATH}: {error}") from error
    return decision.Decision(
        task=task,
        classes=classes,
        calibrator=name,
        scale=_floats(scale),
        bias=_floats(bias),
        ledger=ledger,
        natural=_floats(natural),
        seen=None if seen is None else _floats(seen),
        val=_floats(its_own),
        target=_floats(target),
        val_offset=_floats(val_offset),
        target_offset=_floats(priors.offset(its_own, target)),
        rule=params.rule,
        gain=tuple(_floats(row) for row in gain),
        val_images=tuple(int(count) for count in val_images),
    )


def refuse_unknown(calibrator: str, ledger: tuple[priors.Line, ...]) -> None:
    """Refuse a calibrator that cannot undo what a remedy did.

    Raises:
        InputError: A line of the ledger is unknown and the calibrator has no bias to learn the prior with.
    """
    unknown = [line for line in ledger if line.factors is None]
    if unknown and calibrator not in calibration.WITH_BIAS:
        pieces = ", ".join(f"{line.piece} = {line.remedy}" for line in unknown)
        raise InputError(
            f"{PATH}: decide.calibrator is {calibrator!r}, but what {pieces} does to the prior has no closed form; "
            f"set it to 'auto' or one of {list(calibration.WITH_BIAS)}, which learn the prior from validation"
        )


def stated_prior(shares: Mapping[str, float], classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Read a prior that is stated by class name.

    Raises:
        InputError: A class is missing or unknown, a share is not positive, or they do not sum to 1.
    """
    for name in [*shares, *classes]:
        if name not in classes:
            raise InputError(f"{PATH}: decide.target names {name!r}, which is no class; {suggest(name, classes)}")
        if name not in shares:
            raise InputError(
                f"{PATH}: decide.target states no share for class {name!r}; state one for each of {list(classes)}"
            )
    prior_ = np.array([shares[name] for name in classes], dtype=np.float64)
    if (prior_ <= 0).any() or abs(prior_.sum() - 1) > 1e-3:
        raise InputError(f"{PATH}: decide.target must be positive shares that sum to 1, found {dict(shares)}")
    normalised: NDArray[np.float64] = prior_ / prior_.sum()
    return normalised


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def main(root: Path, params: Params) -> None:
    """Choose and write."""
    card, opened = model.read_card(root), prior.read(root)
    chosen = choose(predictions.read(root, "val"), opened.natural_counts, card.ledger, params.decide, card.task)
    decision.write(root, chosen)
    print(f"calibrator {chosen.calibrator}, rule {chosen.rule}")
    print(f"prior seen {_shares(chosen.seen)}, target {_shares(chosen.target)}")


def _shares(prior_: tuple[float, ...] | None) -> str:
    return "unknown" if prior_ is None else " : ".join(f"{share:.3f}" for share in prior_)


if __name__ == "__main__":
    run(main, Params)
