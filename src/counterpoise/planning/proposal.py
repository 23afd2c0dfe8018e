"""Parameters for a data set: a plain baseline, with a reason for every choice and a list of what is not sure."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise import tasks
from counterpoise.config import InputError
from counterpoise.dataset import coverage, positive_class
from counterpoise.planning import priors, reading, rehearsal, survey
from counterpoise.planning.folder import Folder
from counterpoise.planning.formats.candidate import Candidate
from counterpoise.planning.reading import Stated
from counterpoise.planning.rehearsal import Rehearsal
from counterpoise.planning.survey import Survey
from counterpoise.stages import count_of

WHOLE_PX = {True: 1024, False: 16_384}
"""The longest side of an image that is one tile, where labels are boxes (true) and where they are of whole images."""
LEAST_OBJECT_PX = 16
"""Objects should be this wide and high for the network."""


@dataclass
class Proposal:
    """Parameters, and what to say about them.

    Attributes:
        content: A whole parameter file.
        notes: Dotted name -> the reason for its value, one line or several.
        doubts: What a person should check, the most important first.
        found: The data set.
        rehearsed: Its split; `None` where a stage would refuse the data, as the last doubt says.
    """

    content: dict[str, Any]
    notes: dict[str, str]
    doubts: list[str]
    found: Survey
    rehearsed: Rehearsal | None = None


def propose(root: Path, place: str, folder: Folder, stated: Stated) -> Proposal:
    """Choose parameters for the images below a folder.

    Args:
        root: The repository.
        place: The folder, below it.
        folder: Its files.
        stated: What is stated.

    Raises:
        InputError: The labels cannot be read in any way; the message says why each one failed.
    """
    chosen, found, content = reading.choose(root, place, folder, stated)
    made = Proposal(content, {}, [*chosen.doubts], found)
    _note_source(made, chosen, folder)
    _note_classes(made)
    _choose_tiles(made)
    _choose_pixels(made)
    _choose_split(root, made)
    _choose_positive(made, stated)
    made.doubts = [line.replace(f"{root}/", "") for line in made.doubts]  # they are committed with the parameters
    return made


def _note_source(made: Proposal, chosen: Candidate, folder: Folder) -> None:
    content, notes = made.content, made.notes
    source, ingest = chosen.source, content["ingest"]
    block = ingest["sources"][source]
    notes["ingest.root"] = f"{len(folder.images)} images are below it"
    notes["ingest.source"] = f"labels from {chosen.file}"
    notes |= {f"ingest.sources.{source}.{key}": text for key, text in chosen.notes.items()}
    data = tasks.find(content["task"])
    notes["task"] = (
        "the labels are boxes"
        if data.HAS_BOXES
        else "images have several labels, or none"
        if data.fault_of_labels(()) is None
        else "each image has one class"
    )
    group_key = next((key for key in ("group_column", "group_key") if key in block), "")
    if group_key:
        groups = made.found.data.manifest["group"].nunique()
        notes[f"ingest.sources.{source}.{group_key}"] = (
            f"images of one group stay in one split: {groups} groups" if block[group_key] else "no group was found"
        )
    if not (group_key and block[group_key]):
        made.doubts.append(
            "no groups: if several images show the same object, patient or site, they must stay in one split; "
            + (f"state the group in ingest.sources.{source}.{group_key}" if group_key else "a table can state groups")
        )
    said = [line for line in made.found.warnings if not line.startswith("splits that the labels give")]
    made.doubts += said
    if frac := made.found.rejected_frac:
        allowed = min(1.0, math.ceil(110 * frac) / 100)
        ingest["max_rejected_frac"] = max(0.01, allowed)
        if frac > 0.01:
            notes["ingest.max_rejected_frac"] = f"{frac:.1%} of the rows cannot be used"
            made.doubts.append(f"{reading.rejections(made.found)}; the others are used, see ingest.max_rejected_frac")
    else:
        ingest["max_rejected_frac"] = 0.01
    missing = len(folder.images) - len(made.found.data.manifest)
    if missing > 0.01 * len(folder.images) and not chosen.root:
        made.doubts.append(f"{missing} of {len(folder.images)} images of the folder have no label, and are not used")


def _note_classes(made: Proposal) -> None:
    labelled = made.found.data.classes
    counts = dict(zip(labelled.names, labelled.counts, strict=True))
    shown = [f"{name} {count}" for name, count in list(counts.items())[:30]]
    more = f", and {len(counts) - 30} more" if len(counts) > 30 else ""
    objects = made.found.data.boxes
    boxes = f"; {int((objects['ignore'] == 0).sum())} boxes" if len(objects) else ""
    made.notes["ingest.rare"] = f"{len(counts)} classes by images: {', '.join(shown)}{more}{boxes}"
    few = [name for name, count in counts.items() if count < 50]
    if few:
        made.doubts.append(
            f"fewer than 50 images of {', '.join(few[:6])}{' ...' * (len(few) > 6)}: enough to check that data load, "
            "not to compare remedies; label more, or group rare classes with ingest.rare"
        )


def _choose_tiles(made: Proposal) -> None:
    """Choose tiles and the size of the input from the sizes of images and boxes."""
    table, content = made.found.data.manifest, made.content
    longest = table[["width_px", "height_px"]].to_numpy().max(axis=1)
    usual, most = int(np.median(longest)), int(longest.max())
    has_boxes = tasks.find(content["task"]).HAS_BOXES
    if most <= WHOLE_PX[has_boxes]:
        side = max(32, _multiple(most))
        content["tile"] |= {"size_px": side, "overlap_px": min(64, side // 8)}
        made.notes["tile.size_px"] = f"images are {_range(longest)} px long, so each is one tile"
    else:
        content["tile"] |= {"size_px": 512, "overlap_px": 64}
        made.notes["tile.size_px"] = f"images are {_range(longest)} px long, and are cut into tiles of this side"
    side = content["tile"]["size_px"]
    if has_boxes:
        _choose_for_boxes(made, side)
        return
    seen = min(side, usual)
    wanted = min(224, max(96, _multiple(2 * seen)))  # features of ImageNet suit larger pictures
    content["model"]["input_px"] = wanted
    made.notes["model.input_px"] = f"an image of {usual} px is resized to this"
    if usual > 4 * wanted:
        made.doubts.append(
            f"images are {usual} px long and the network sees {wanted} px: what is smaller than {usual // 20} px there "
            "is hardly seen; if such details matter, lower tile.size_px (each tile then gets the label of its image)"
        )


def _choose_for_boxes(made: Proposal, side: int) -> None:
    content, boxes = made.content, made.found.data.boxes
    width = (boxes["x1_px"] - boxes["x0_px"]).to_numpy(dtype=np.float64)
    height = (boxes["y1_px"] - boxes["y0_px"]).to_numpy(dtype=np.float64)
    if not len(boxes):
        return
    small, large = (
        float(np.quantile(np.minimum(width, height), 0.1)),
        float(np.quantile(np.maximum(width, height), 0.95)),
    )
    overlap = min(side // 2, max(content["tile"]["overlap_px"], _multiple(int(large))))
    if made.notes["tile.size_px"].endswith("this side"):
        content["tile"]["overlap_px"] = overlap
        made.notes["tile.overlap_px"] = (
            f"95 % of the boxes are at most {large:.0f} px long, so they are whole in a tile"
        )
    wanted = min(_multiple(side), 640, max(256, _multiple(int(side * LEAST_OBJECT_PX / max(1.0, small)))))
    content["model"]["input_px"] = wanted
    made.notes["model.input_px"] = (
        f"9 in 10 objects are at least {small:.0f} px wide and high, which is {small * wanted / side:.0f} px there"
    )
    if small * wanted / side < LEAST_OBJECT_PX / 2:
        made.doubts.append(
            f"1 in 10 objects is smaller than {small * wanted / side:.0f} px for the network; lower tile.size_px, or "
            "raise model.input_px"
        )
    levels = len(content["detector"]["levels"]) * content["detector"]["anchors"]["count"]
    if len({*zip(width.round(), height.round(), strict=True)}) > 10 * levels:
        content["detector"]["anchors"]["kind"] = "fitted"
        made.notes["detector.anchors.kind"] = "fitted to the boxes of train"
    made.notes["model.freeze"] = "a detector is trained as a whole"


def _multiple(length: int) -> int:
    """Round up to a multiple of 32."""
    return -(-length // 32) * 32


def _range(lengths: np.ndarray[Any, Any]) -> str:
    low, high = int(lengths.min()), int(lengths.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _choose_pixels(made: Proposal) -> None:
    found = made.found
    made.notes["ingest.pixel_range"] = f"{found.looked_at} images were decoded: {found.data.pixels.found}"
    if "set ingest.pixel_range to" in found.data.pixels.found or "not used" in found.data.pixels.found:
        made.doubts.append(f"pixels: {found.data.pixels.found}")
    ranges = [span for kind, span in found.data.pixels.ranges.items()]
    if ranges and found.looked_at < len(found.data.manifest):
        made.doubts.append(
            f"the range of pixel values is that of {found.looked_at} images; `dvc repro` finds that of all images, and "
            "the line `pixels:` says it"
        )


def _choose_split(root: Path, made: Proposal) -> None:
    """Rehearse the split, and change what makes it fail: classes that train lacks, too few scenes."""
    given = made.found.data.manifest["split"]
    kept = [f"{name} {int((given == name).sum())}" for name in ("train", "val", "test") if (given == name).any()]
    for attempt in (_as_it_is, _without_unlearnable, _in_blocks):
        changed = copy.deepcopy(made.content)
        note = attempt(made, changed)
        if note is None:
            continue
        try:
            found = survey.survey(root, changed) if changed["ingest"] != made.content["ingest"] else made.found
            made.rehearsed = rehearsal.rehearse(found, changed)
        except InputError as error:
            refusal = str(error)
            continue
        made.content, made.found = changed, found
        if note:
            made.doubts.append(note)
        break
    else:
        made.doubts.append(f"`dvc repro` will stop at the split: {refusal}")
        return
    sizes = ", ".join(f"{name} {count}" for name, count in made.rehearsed.images.items())
    what = f"the split of the labels is kept ({', '.join(kept)}); it gives" if kept else "60 : 20 : 20, which gives"
    made.notes["split"] = f"{what} {sizes} images"
    made.doubts += [*made.rehearsed.warnings, *priors.contradictions(made.content, made.rehearsed)]


def _as_it_is(made: Proposal, content: dict[str, Any]) -> str | None:
    return ""


def _without_unlearnable(made: Proposal, content: dict[str, Any]) -> str | None:
    """Leave out classes of which train has no image, where the labels give the split."""
    table = made.found.data.manifest
    if not (table["split"] != "").any():
        return None
    present = {name for cell in table.loc[table["split"].isin(["train", ""]), "labels"] for name in cell.split("|")}
    lost = [name for name in made.found.data.classes.names if name not in present]
    if not lost:
        return None
    content["ingest"]["exclude"] = lost
    return f"your split gives train no image of {', '.join(lost[:6])}: left out by ingest.exclude"


def _in_blocks(made: Proposal, content: dict[str, Any]) -> str | None:
    """Cut few large scenes into blocks."""
    table, side = made.found.data.manifest, content["tile"]["size_px"]
    longest = int(table[["width_px", "height_px"]].to_numpy().max())
    if not len(made.found.data.boxes) or (table["split"] != "").any():
        return None
    tile_px = min(side, max(64, longest // 8 // 32 * 32))
    content["tile"] |= {"size_px": tile_px, "overlap_px": min(content["tile"]["overlap_px"], tile_px // 4)}
    content["model"]["input_px"] = max(64, min(content["model"]["input_px"], _multiple(2 * tile_px)))
    content["split"]["blocks"] = {"size_px": 2 * tile_px, "guard_px": tile_px}
    return (
        f"{count_of(len(table), 'scene')} are too few to assign them whole, so they are cut into blocks "
        "(split.blocks), and results for new scenes are likely to be worse"
    )


def _choose_positive(made: Proposal, stated: Stated) -> None:
    """State the class that matters where its figures rest on enough images, and say which classes are rare."""
    rehearsed = made.rehearsed
    if rehearsed is not None:
        of_test = zip(rehearsed.names, rehearsed.counts["test"].tolist(), strict=True)
        rare = [name for name, count in of_test if count < coverage.FEW_TEST_IMAGES]
        made.notes["evaluate"] = (
            f"rare, with fewer than {coverage.FEW_TEST_IMAGES} test images: {', '.join(rare[:20])}"
            if rare
            else f"every class has {coverage.FEW_TEST_IMAGES} test images or more"
        )
    if stated.positive:
        made.content["evaluate"]["positive"] = stated.positive
        made.notes["evaluate.positive"] = "as stated"
        return
    if rehearsed is None:
        return
    name = rehearsed.positive.name
    index = rehearsed.names.index(name)
    images = {side: int(rehearsed.counts[side][index]) for side in ("train", "val", "test")}
    listed = ", ".join(f"{side} {count}" for side, count in images.items())
    enough = min(images.values()) >= 2 * positive_class.ENOUGH
    if enough:
        made.content["evaluate"]["positive"] = name
    made.notes["evaluate.positive"] = (
        f"the rarest class that can be measured ({listed})"
        if enough
        else f"the stage `split` chooses, likely {name!r} ({listed})"
    )
    made.doubts.insert(
        0,
        f"{name!r} ({listed}) is taken for the class that matters, as the rarest that can be measured; "
        "set evaluate.positive to another if it is not",
    )


def check(root: Path, made: Proposal) -> None:
    """Check proposed parameters as the stage `check` does.

    Raises:
        InputError: They are refused, such as for a folder that the pipeline writes.
    """
    from counterpoise.networks import outlines
    from counterpoise.stages import check as stage

    outlines.recall(root)
    if faults := stage.problems(made.content) or list(stage.missing(root, made.content)):
        raise InputError("\n".join(faults))
