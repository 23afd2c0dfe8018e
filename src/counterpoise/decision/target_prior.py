"""The prior of deployment, estimated from unlabelled predictions; or a refusal, with what was found and what to do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts.decision import Decision, Estimated
from counterpoise.artifacts.predictions import Predictions
from counterpoise.artifacts.unlabelled import Unlabelled
from counterpoise.calibration import label_shift
from counterpoise.config import PATH, InputError
from counterpoise.decision import rules

Floats = NDArray[np.float64]
LEAST_IMAGES = 100
"""With fewer unlabelled images nothing is estimated."""
LEAST_VALIDATION = 10
"""With fewer images of a class in validation, nobody knows what the class looks like there."""
LEAST_SEPARATION = 0.05
"""With less of it (`shift.separation`), the model cannot tell some classes apart, nor their shares."""
LEVEL = 0.01
"""The check rejects below this."""
OR_OTHERS = ", or other labels, which these scores see as well, are more frequent there"
INSTEAD = "state its shares by hand under decide.target, or set it to 'natural'"


def estimate(
    chosen: Decision, val: Predictions, truth: NDArray[np.bool_], found: Unlabelled
) -> tuple[Floats, Estimated]:
    """Estimate the target prior, and check what that assumes; of many labels, label by label.

    Args:
        chosen: The calibrated decision, whatever its target.
        val: Predictions of validation.
        truth: (m, c) what its images bear.
        found: Raw logits of unlabelled images of deployment, of the same model.

    Returns:
        (c,) prior, and what it rests on.

    Raises:
        InputError: There are too few images, there or of a class in validation; the model cannot tell classes apart; EM
            did not come to rest; or validation's classes, in whatever shares, do not explain the scores.
    """
    many = chosen.task == "multilabel"
    if found.classes != chosen.classes:
        raise InputError(_refusal(f"its classes are {list(found.classes)}, those of the model {list(chosen.classes)}"))
    if len(found.logits) < LEAST_IMAGES:
        raise InputError(
            _refusal(f"there are {len(found.logits)} unlabelled images; at least {LEAST_IMAGES} are needed")
        )
    borne = truth.sum(axis=0)
    least = np.minimum(borne, len(truth) - borne) if many else borne
    few = [name for name, images in zip(chosen.classes, least, strict=True) if images < LEAST_VALIDATION]
    if few:
        raise InputError(
            _refusal(f"validation has fewer than {LEAST_VALIDATION} images with{' or without' if many else ''} {few}")
        )
    here, there = (rules.probabilities(chosen, logits, under="val") for logits in (val.logits, found.logits))
    groups, prior = np.array(val.groups), np.array(chosen.val)
    if many:
        problems = [
            (name, _two(there[:, k]), _two(here[:, k]), truth[:, k].astype(np.int64), _two(prior[[k]])[0])
            for k, name in enumerate(chosen.classes)
        ]
    else:
        problems = [("", there, here, truth.argmax(axis=1), prior)]
    estimates, checks = [], []
    for name, unlabelled, labelled, targets, own in problems:
        apart = label_shift.separation(labelled, targets, own)
        of_label = f" of {name!r}" if name else ""
        if apart < LEAST_SEPARATION:
            raise InputError(
                _refusal(
                    f"the model tells {'images with and without ' + repr(name) if name else 'some classes'} apart too "
                    f"badly for their shares to show: separation {apart:.3f}, at least {LEAST_SEPARATION} is needed"
                )
            )
        by_em = label_shift.estimate(unlabelled, own)
        if not by_em.converged:
            raise InputError(_refusal(f"EM{of_label} did not come to rest in {by_em.iterations} steps"))
        estimates.append(by_em)
        checks.append(label_shift.check(unlabelled, labelled, targets, groups, own, by_em.prior))
    p_value = min(1.0, len(checks) * min(found.p_value for found in checks))
    if p_value < LEVEL:
        worst = problems[int(np.argmin([found.p_value for found in checks]))][0]
        raise InputError(
            _refusal(
                f"no shares of the classes explain the scores{' of ' + repr(worst) if worst else ''} "
                f"(p = {p_value:.2g}, below {LEVEL}), so that an estimate would mean nothing: images of the same class "
                f"look otherwise there than in validation{OR_OTHERS if many else ''}. Label some images from there"
            )
        )

    def gathered(values: list[Floats]) -> Floats:
        return np.array([pair[1] for pair in values]) if many else values[0]

    rests_on = Estimated(
        images=len(found.logits),
        low=tuple(gathered([found.low for found in checks]).tolist()),
        high=tuple(gathered([found.high for found in checks]).tolist()),
        iterations=max(found.iterations for found in estimates),
        separation=min(found.separation for found in checks),
        p_value=p_value,
    )
    return gathered([found.prior for found in estimates]), rests_on


def _two(positive: Floats) -> Floats:
    """Write probabilities (n,) of a label as those of two classes, without and with it."""
    return np.stack([1 - positive, positive], axis=1)


def _refusal(found: str) -> str:
    return f"{PATH}: decide.target is 'estimated', but {found}; {INSTEAD}"
