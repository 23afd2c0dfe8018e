"""Unlabelled images as a detector sees them: how uncertain the number of objects of a class is in each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.artifacts import decision, model
from counterpoise.dataset import decoding
from counterpoise.deployment import detector
from counterpoise.labelling.candidates import Candidate, File, Say


def worth(probs: NDArray[np.float64]) -> float:
    """Compute the variance of the number of right boxes, the sum of p (1 - p).

    An image with many uncertain boxes comes first. Boxes are taken to be right independently of each other.

    Source: Brust, Käding and Denzler (2019), Active Learning for Deep Object Detection, which sums an uncertainty over
        the boxes of an image. Departure: theirs is the margin between the two most probable classes.

    Example:
        >>> worth(np.array([0.5, 0.5, 1.0]))
        0.5
    """
    return float((probs * (1 - probs)).sum())


def read(root: Path, content: Mapping[str, Any], files: Iterable[File], label: str, say: Say) -> Iterator[Candidate]:
    """Describe unlabelled images with the tiles and the detector of the pipeline.

    A detector has no features of a whole image, so that images differ as far as their thumbnails do.

    Args:
        root: A repository in which the pipeline has run for boxes.
        content: Its checked parameters.
        files: Unlabelled images.
        label: The class.
        say: Told of each image that cannot be read.

    Yields:
        The images that can be read.
    """
    pixels = model.read_card(root).pixels
    ours, theirs = itertools.tee(files)
    paths = (file.path for file in theirs)
    for file, answer in zip(ours, detector.answer(root, paths, content, decision.read(root)), strict=True):
        small = answer.error or decoding.decode(file.path.parent, pixels.bands, pixels, file.path.name)
        if isinstance(small, str):
            say(answer.error or f"{file.path}: {small}")
            continue
        probs = answer.probs[np.array(answer.labels, dtype=str) == label]
        names = [name for name, own in zip(answer.labels, answer.decided, strict=True) if own]
        yield Candidate(
            path=file.path,
            sha256=file.sha256,
            worth=worth(probs),
            prob=float(probs.max(initial=0.0)),
            decided=tuple(dict.fromkeys(names)),
            features=small.thumbnail.reshape(-1).astype(np.float32),
            thumbnail=small.thumbnail,
        )
