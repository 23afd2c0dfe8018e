"""Warnings about labels that are valid, but look like a mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from counterpoise import labels, tasks
from counterpoise.dataset.curation import Labelled
from counterpoise.sources import Row

LARGE_GROUP = 0.5
"""A group with more than this share of the images may be a missing value."""


def one_label_each(rows: Sequence[Row], task: str, separator: str) -> Iterator[str]:
    """Warn of names that may be several labels, where the task allows several and no row has them.

    Args:
        rows: Raw rows.
        task: What the labels mean.
        separator: What separates labels in the table; empty if nothing does.
    """
    may_be_several = tasks.find(task).fault_of_labels(("a", "b")) is None
    if not separator or not may_be_several or any(len(row.labels) > 1 for row in rows):
        return
    if found := labels.hold_separator({name for row in rows for name in row.labels}):
        yield (
            f"no row has several labels, and the class name {found[0]!r} holds {found[1]!r}; if that separates labels, "
            f"set ingest.sources.csv.label_separator to {found[1]!r}; if not, to ''"
        )


def disagreements(usable: Sequence[Labelled], sha256: Sequence[str]) -> tuple[str, ...]:
    """Warn if files with the same bytes have different labels.

    Args:
        usable: Images.
        sha256: The hash of each file.

    Returns:
        A warning that names the first two, or nothing.
    """
    by_file: dict[str, list[Labelled]] = {}
    for image, digest in zip(usable, sha256, strict=True):
        by_file.setdefault(digest, []).append(image)
    differing = [same for same in by_file.values() if len({image.labels for image in same}) > 1]
    if not differing:
        return ()
    first = differing[0][0]
    other = next(image for image in differing[0] if image.labels != first.labels)
    pair = " and ".join(f"{image.image!r} ({', '.join(image.labels) or 'no label'})" for image in (first, other))
    return (
        f"{sum(map(len, differing))} images have the same bytes as others with other labels, such as {pair}; "
        "correct their labels, or remove them",
    )


def large_group(usable: Sequence[Labelled]) -> tuple[str, ...]:
    """Warn if one of several groups holds most images."""
    sizes = Counter(image.group for image in usable if image.group)
    if not sizes:
        return ()
    name, size = max(sizes.items(), key=lambda group: (group[1], group[0]))
    if size <= LARGE_GROUP * len(usable) or size == len(usable):
        return ()
    return (
        f"group {name!r} has {size} of {len(usable)} images, and they stay in one split; if it means a missing "
        "value, leave these cells empty: then each image is a group of its own",
    )
