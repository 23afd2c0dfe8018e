"""Images to label next for the rare class: chosen among those of a folder, with a reason for each."""

from __future__ import annotations

import csv
import heapq
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from counterpoise import seeds, storage, tasks
from counterpoise.artifacts import decision, manifest, thumbnails
from counterpoise.config import InputError, suggest
from counterpoise.labelling import box_candidates, image_candidates, image_cells, selection
from counterpoise.labelling.candidates import Candidate, File, files
from counterpoise.sources import columns_in

KEPT = 10
"""For n images to label, so many times n of the best ones are kept in memory, however many the folder has."""
BLOCK = 4096
"""So many images at a time are compared with those that are labelled."""
MOST_NAMED = 5
"""Images that cannot be used which are named; the others are counted."""
SHOWN = 3
"""Labels of an image that its reason names; a column of the table has all."""
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Suggestion:
    """An image to label.

    Attributes:
        candidate: The image.
        rank: Its place by worth among the images that look like no labelled one, from 1.
        reason: Why it was chosen, in words.
    """

    candidate: Candidate
    rank: int
    reason: str


@dataclass
class Tally:
    """How many images were seen, by what became of them.

    Attributes:
        seen: Images that can be read and have no label yet.
        like_labelled: Of these, images that look like a labelled one.
        labelled: Files that have labels already.
        unusable: Files that cannot be used.
        lines: The first reasons for that.
    """

    seen: int = 0
    like_labelled: int = 0
    labelled: int = 0
    unusable: int = 0
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Take the reason why a file cannot be used."""
        self.unusable += 1
        if self.unusable <= MOST_NAMED:
            self.lines.append(line)


@dataclass(frozen=True)
class Suggestions:
    """What was chosen, and from what.

    Attributes:
        label: The class for which labels are wanted.
        has_boxes: Whether the labels are boxes.
        tally: What the folder has.
        chosen: The images, the best first; at least one.
    """

    label: str
    has_boxes: bool
    tally: Tally
    chosen: tuple[Suggestion, ...]


@dataclass(frozen=True)
class Labelled:
    """What is known of the labelled images, and what counts as a near duplicate of them."""

    thumbnails: NDArray[np.uint8]
    sha256: NDArray[np.str_]
    duplicates: Mapping[str, Any]

    def sort_out(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], int]:
        """Leave out images that look like a labelled one or like a better one, and count the former."""
        ranked = sorted(candidates, key=lambda candidate: -candidate.worth)
        kept, alike = selection.without_duplicates(
            np.stack([candidate.thumbnail for candidate in ranked]),
            np.array([candidate.sha256 for candidate in ranked]),
            self.thumbnails,
            self.sha256,
            **self.duplicates,
        )
        return [ranked[row] for row in kept], len(alike)


def choose(root: Path, content: Mapping[str, Any], folder: Path, count: int, label: str | None) -> Suggestions:
    """Choose images of a folder to label.

    Memory does not grow with the folder: of all images, only the best `KEPT` times `count` are kept.

    Args:
        root: A repository in which the pipeline has run.
        content: Its checked parameters.
        folder: Holds the images, in itself and below.
        count: How many to choose.
        label: The class for which labels are wanted; `None` for the one that matters.

    Raises:
        InputError: The model is of another task or has no such class, or no image can be suggested.
        ArtifactError: The pipeline was not run yet.
    """
    label, has_boxes = _class_of(root, content, label), tasks.find(content["task"]).HAS_BOXES
    table = manifest.read(root)
    sha256 = table["sha256"].to_numpy().astype(str)
    labelled = Labelled(np.asarray(thumbnails.read(root, len(table))), sha256, content["split"]["duplicates"])
    tally = Tally()
    read = box_candidates.read if has_boxes else image_candidates.read
    every = read(root, content, _unlabelled(folder, frozenset(sha256.tolist()), tally), label, tally.say)
    best = _best(every, labelled, KEPT * count, tally)
    if not best:
        raise InputError(_nothing(folder, tally))
    rows = _pick(best, count, seeds.derive(content["seed"], "suggest labels"))
    return Suggestions(label, has_boxes, tally, tuple(_suggestion(best, int(row), tally, label) for row in rows))


def _class_of(root: Path, content: Mapping[str, Any], label: str | None) -> str:
    """Check that the model that was built can say which images to label, and for which class."""
    decided = decision.read(root)
    if decided.task != content["task"]:
        raise InputError(f"task is {content['task']!r}, but the model is of task {decided.task!r}; run `dvc repro`")
    if label is not None and label not in decided.classes:
        raise InputError(f"--class: the model has no class {label!r}; {suggest(label, decided.classes)}")
    return decided.positive if label is None else label


def _unlabelled(folder: Path, known: frozenset[str], tally: Tally) -> Iterator[File]:
    """Leave out files that have labels already."""
    for file in tqdm(files(folder, tally.say), desc="look at", unit="image", delay=1, mininterval=1, file=sys.stderr):
        if file.sha256 in known:
            tally.labelled += 1
        else:
            yield file


def _best(candidates: Iterable[Candidate], labelled: Labelled, most: int, tally: Tally) -> list[Candidate]:
    """Keep the best images that look neither like a labelled one nor like each other, the best first."""
    best: list[Candidate] = []
    waiting = iter(candidates)
    while block := list(itertools.islice(waiting, BLOCK)):
        kept, alike = labelled.sort_out(block)
        tally.seen += len(block)
        tally.like_labelled += alike
        best = heapq.nlargest(most, [*best, *kept], key=lambda candidate: candidate.worth)
    return labelled.sort_out(best)[0] if tally.seen > BLOCK and best else best


def _nothing(folder: Path, tally: Tally) -> str:
    """Say why nothing can be suggested."""
    if tally.seen:
        return f"{folder}: all {tally.seen} images without a label look like labelled ones; there is nothing to suggest"
    if tally.labelled:
        return f"{folder}: all {tally.labelled} images that can be read have labels already; name a folder with others"
    if tally.unusable:
        return "\n".join([*tally.lines, f"{folder}: none of its {tally.unusable} images can be read"])
    return f"{folder}: no image found; expected image files in it or below it"


def _pick(best: Sequence[Candidate], count: int, seed: int) -> Ints:
    """Choose rows that differ from each other, the best first."""
    among = best[: selection.SPREAD_AMONG * count]
    worth = np.array([candidate.worth for candidate in among])
    weights = np.maximum(worth, max(worth.max(), 1e-12) * 1e-6)  # k-means++ needs all of them above 0
    features = np.stack([candidate.features for candidate in among])
    return selection.spread(features, weights, min(count, len(among)), seed)


def _suggestion(best: Sequence[Candidate], row: int, tally: Tally, label: str) -> Suggestion:
    names = best[row].decided
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    decided = f"{', '.join(names[:SHOWN])}{more}" if names else "nothing"
    unlike = tally.seen - tally.like_labelled
    reason = (
        f"number {row + 1} for {label} among {unlike} images; the model decides for {decided}; unlike the other images "
        "of this table and unlike every labelled one"
    )
    return Suggestion(best[row], row + 1, reason)


def image_column(pattern: str, found: Suggestions, base: Path) -> str:
    """Keep the column or the pattern by which a table names images where it fits all of them; else, `image`.

    Args:
        pattern: As `image_column` of a source.
        found: The images.
        base: Folder that the paths of images start from.
    """
    fits = all(image_cells.of_path(pattern, _relative(one, base)) is not None for one in found.chosen)
    return pattern if fits else "image"


def _relative(one: Suggestion, base: Path) -> str:
    return Path(os.path.relpath(one.candidate.path, base)).as_posix()


def write(path: Path, found: Suggestions, image: str, empty: Sequence[str], delimiter: str, base: Path) -> None:
    """Write a table to fill in, which source `csv` reads once it has labels.

    Args:
        path: The table.
        found: The images.
        image: Column of the image, or pattern of its path, as `image_column` gives it.
        empty: Names of the columns that stay empty.
        delimiter: Between columns.
        base: Folder that the paths of images start from.
    """
    with storage.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        columns = list(dict.fromkeys(columns_in(image)))
        writer.writerow([*columns, *empty, "model_probability", "model_decision", "why_suggested"])
        for one in found.chosen:
            cells = image_cells.of_path(image, _relative(one, base))
            assert cells is not None
            decided = "|".join(one.candidate.decided)
            named = [cells[name] for name in columns]
            writer.writerow([*named, *[""] * len(empty), f"{one.candidate.prob:.4f}", decided, one.reason])
