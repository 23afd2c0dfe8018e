"""Synthetic examples in feature space, in place of repeated ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
"""A new point lies between an example and one of so many nearest ones of its class, or of all others if fewer."""
AROUND = 10
"""`borderline_smote`: an example is on the border if at least half of so many nearest ones, but not all, are of other
classes."""
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def synthesise(
    values: Floats, targets: Ints, wanted: Ints, kind: Literal["smote", "borderline_smote"], seed: int
) -> tuple[Floats, Ints]:
    """Fill up classes with points between examples of the class.

    For an example x and one of its nearest neighbours y of the same class, a new point is x + u (y - x), with u uniform
    in [0, 1].

    Args:
        values: (n, d) features, each example once.
        targets: (n,) classes in 0..c-1.
        wanted: (c,) examples of each class afterwards; a class that has as many or more keeps what it has.
        kind: `smote` starts from any example of a class, `borderline_smote` from those near other classes.
        seed: Decides examples, neighbours and u.

    Returns:
        (m, d) features and (m,) targets: the given ones, then the new ones of each class. A class with a single
        example, or without one on the border, is filled up by repeating its examples.

    Source: Chawla, Bowyer, Hall, Kegelmeyer (2002), SMOTE: Synthetic Minority Over-sampling Technique; Han, Wang, Mao
        (2005), Borderline-SMOTE, their first variant. Both as in imbalanced-learn, class by class, so that a small
        class takes no neighbours from the others.
    """
    from imblearn.over_sampling import SMOTE, BorderlineSMOTE

    parts, labels = [values], [targets]
    for number, count in enumerate(np.bincount(targets, minlength=len(wanted))):
        missing = int(wanted[number] - count)
        if count == 0 or missing <= 0:
            continue
        settings = {
            "sampling_strategy": {number: int(wanted[number])},
            "k_neighbors": min(NEIGHBOURS, int(count) - 1),
            "random_state": (seed + number) % 2**32,
        }
        made = values[:0]
        if count > 1:
            around = min(AROUND, len(values) - 1)
            sampler = SMOTE(**settings) if kind == "smote" else BorderlineSMOTE(**settings, m_neighbors=around)
            made = sampler.fit_resample(values, targets)[0][len(values) :]
        own = np.flatnonzero(targets == number)
        again = values[np.resize(own, missing - len(made))]
        parts += [made.astype(values.dtype), again]
        labels.append(np.full(missing, number, dtype=targets.dtype))
    return np.concatenate(parts), np.concatenate(labels)
