"""Whether two runs have the same classes and test images: only then may their figures be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from counterpoise.artifacts import classes, clusters, splits, tiles
from counterpoise.report.facts import counted
from counterpoise.revisions.run import Run, Scored

TEST_TILES = tiles.path("test")
CAUSES = (splits.PATH, classes.PATH, clusters.PATH)
"""Files that change where other images, other labels or other units are in test; tiles of another size do not."""


def obstacles(base: Run, now: Run) -> list[str]:
    """Say in sentences why figures of two runs cannot be compared; none where they can."""
    if base.scored is not None and now.scored is not None:
        return list(_of_images(base.scored, now.scored))
    return list(_of_counts(base, now))


def _of_images(base: Scored, now: Scored) -> Iterator[str]:
    """Compare what both were asked, image by image."""
    if base.decision.task != now.decision.task:
        yield f"The task was {base.decision.task}, and is now {now.decision.task}."
    if base.test.classes != now.test.classes:
        gone = [name for name in base.test.classes if name not in now.test.classes]
        new = [name for name in now.test.classes if name not in base.test.classes]
        parts = [f"{word} {len(names)}" for word, names in (("gone:", gone), ("new:", new)) if names]
        yield f"The classes differ ({', '.join(parts) or 'their order'})."
    ids = [set(one.test.image_ids) for one in (base, now)]
    if ids[0] != ids[1]:
        gone_ids, new_ids = len(ids[0] - ids[1]), len(ids[1] - ids[0])
        yield (
            f"Test has other images: of {counted(len(ids[0]), 'image')}, {gone_ids} are gone, and {new_ids} are new, "
            f"so that there are {len(ids[1]):,} now."
        )
        return
    label_of = dict(zip(base.test.image_ids, base.test.labels, strict=True))
    pairs = zip(now.test.image_ids, now.test.labels, strict=True)
    if changed := sum(label_of[image_id] != own for image_id, own in pairs):
        yield f"{counted(changed, 'test image has another label', 'test images have other labels')}."
    if _partition(base.test.groups) != _partition(now.test.groups):
        yield "The units of test (groups, near duplicates) differ, and with them the intervals."
    if not _same_objects(base, now):
        yield "The objects that are marked in test differ."


def _partition(groups: Sequence[str]) -> list[int]:
    """Number groups by their first image, so that their names do not matter.

    Example:
        >>> _partition(["b", "a", "b"]) == _partition(["1", "2", "1"])
        True
    """
    numbers: dict[str, int] = {}
    return [numbers.setdefault(group, len(numbers)) for group in groups]


def _same_objects(base: Scored, now: Scored) -> bool:
    """Say whether the same objects are there; so it is where labels have no boxes."""
    if base.scenes is None or now.scenes is None:
        return base.scenes is now.scenes
    first, second = base.scenes.truth, now.scenes.truth
    return all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in ("image", "label", "boxes", "ignore")
    )


def _of_counts(base: Run, now: Run) -> Iterator[str]:
    """Compare counts and hashes, where predictions are not at hand."""
    for name in ("test_images", "test_positives"):
        pair = [one.metrics.supports.get(name, (0, 0)) for one in (base, now)]
        if pair[0] != pair[1]:
            words = [f"{counted(images, 'image')} of {counted(units, 'unit')}" for images, units in pair]
            what = "Test" if name == "test_images" else "The class that matters in test"
            yield f"{what} had {words[0]}, and has {words[1]} now."
            return
    changed = {path for path, md5 in now.hashes.items() if base.hashes.get(path, md5) != md5}
    if TEST_TILES in changed and not changed.isdisjoint(CAUSES):
        yield "By dvc.lock, the split, the classes or the units of test differ."
