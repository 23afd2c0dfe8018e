"""Named augmentation policies."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from counterpoise.images import RGB


def _none(a: Any) -> list[Any]:  # noqa: ANN401 - the albumentations module, which has no types
    return []


def _flips(a: Any) -> list[Any]:  # noqa: ANN401
    return [a.HorizontalFlip(p=0.5), a.VerticalFlip(p=0.5)]


def _dihedral(a: Any) -> list[Any]:  # noqa: ANN401
    return [a.D4(p=1.0)]


def _standard(a: Any) -> list[Any]:  # noqa: ANN401
    return [
        a.D4(p=1.0),
        a.Affine(scale=(0.9, 1.1), translate_percent=(-0.05, 0.05), rotate=(-10, 10), border_mode=4, p=0.8),
        a.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.15, p=0.8),
    ]


def _strong(a: Any) -> list[Any]:  # noqa: ANN401
    return [
        a.D4(p=1.0),
        a.Affine(
            scale=(0.75, 1.25),
            translate_percent=(-0.1, 0.1),
            rotate=(-20, 20),
            shear=(-10, 10),
            border_mode=4,
            p=0.9,
        ),
        a.RandomBrightnessContrast(brightness_limit=0.3, contrast_limit=0.3, p=0.9),
        a.GaussNoise(std_range=(0.01, 0.05), p=0.5),
        a.CoarseDropout(num_holes_range=(1, 4), hole_height_range=(0.05, 0.15), hole_width_range=(0.05, 0.15), p=0.5),
    ]


POLICIES: dict[str, Callable[[Any], list[Any]]] = {
    "none": _none,
    "flips": _flips,
    "dihedral": _dihedral,
    "standard": _standard,
    "strong": _strong,
}
"""`dihedral`: the eight rotations and flips of a square. `standard`: `dihedral`, with small shifts, rotations and
changes of contrast. `strong`: larger changes, with shear, noise and holes. All policies except `none` assume that
images have no natural orientation, as in aerial or microscope images."""


@cache
def _composed(policy: str) -> Any:  # noqa: ANN401
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # do not look for a new version online
    import albumentations
    import cv2

    cv2.setNumThreads(0)  # workers share the cores already, and a fork of a thread pool would hang
    return albumentations.Compose(POLICIES[policy](albumentations))


def prepare(policy: str) -> None:
    """Import the libraries of a policy, which takes one or two seconds, before the first image needs them."""
    if policy != "none":
        _composed(policy)


def apply(policy: str, image: RGB, seed: int) -> RGB:
    """Augment one image.

    Args:
        policy: Name of a policy.
        image: uint8 (height, width, 3).
        seed: Seed of all random choices.

    Returns:
        uint8 (height, width, 3). Equal arguments give equal results. `dihedral` and stronger policies may swap height
        and width.

    Raises:
        KeyError: The policy does not exist.
    """
    if policy == "none":
        return image
    compose = _composed(policy)
    # Use one random stream for all transforms. `set_random_seed` would give each transform a stream with the same seed,
    # so all would use the same numbers, and both flips would always happen together.
    compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
    result: RGB = compose(image=image)["image"]
    return result
