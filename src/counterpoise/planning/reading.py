"""Choose the way in which the labels of a folder are read: the one that labels most images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from counterpoise import config, tasks
from counterpoise.config import InputError
from counterpoise.planning import formats, survey
from counterpoise.planning.folder import Folder
from counterpoise.planning.formats.candidate import Candidate
from counterpoise.planning.survey import Survey

MOST_REJECTED = 0.2
"""A way to read the labels that leaves out more than this share of the rows is not taken."""
ENOUGH, OF_FOLDERS = 0.9, 0.4
"""A way that labels this share of the images of the folder is taken without trying the others, and without asking what
class folders would say: Kaggle's test images are in a folder of their own, without labels."""


@dataclass(frozen=True)
class Stated:
    """What a person states, instead of what would be found; empty for nothing."""

    task: str = ""
    source: str = ""
    positive: str = ""
    group_column: str = ""


def baseline() -> dict[str, Any]:
    """Read the parameters from which proposals start: no remedy is switched on.

    They are those of `params.yaml` in the repository, but for the data. The file is a copy, which a test compares: in a
    clone, `params.yaml` is the user's own, and an installed package has none.
    """
    return config.parse(resources.files(__package__).joinpath("baseline.yaml").read_text(encoding="utf-8"))


def choose(root: Path, place: str, folder: Folder, stated: Stated) -> tuple[Candidate, Survey, dict[str, Any]]:
    """Try all candidates, and take the first that labels most images."""
    refused: list[str] = []
    best: tuple[int, Candidate, Survey, dict[str, Any]] | None = None
    others: list[str] = []
    for candidate in formats.candidates(folder, refused):
        if stated.source and candidate.source != stated.source:
            continue
        least = OF_FOLDERS if candidate.source == "folder" else ENOUGH
        if best is not None and best[0] >= least * len(folder.images):
            if candidate.source != best[1].source or candidate.source == "csv":
                others.append(f"{candidate.file} (ingest.source: {candidate.source})")
            continue
        content = _content(place, candidate, stated)
        try:
            found = survey.survey(root, content)
        except InputError as error:
            refused.append(f"as {candidate.source}: {error}")
            continue
        if found.rejected_frac > MOST_REJECTED:
            refused.append(f"as {candidate.source}: {rejections(found)}")
            continue
        if best is None or len(found.data.manifest) > best[0]:
            others += [f"{best[1].file} (ingest.source: {best[1].source})"] if best else []
            best = (len(found.data.manifest), candidate, found, content)
        else:
            others.append(f"{candidate.file} (ingest.source: {candidate.source})")
    if best is None:
        wanted = f" as {stated.source!r}" if stated.source else ""
        reasons = "".join(f"\n  - {reason}" for reason in dict.fromkeys(refused)) or (
            "\n  - there is no table, no file of boxes, and no folder per class"
        )
        raise InputError(
            f"{place}: {len(folder.images)} images, but their labels cannot be read{wanted}:{reasons}\n"
            "docs/your-data.md shows what can be read"
        )
    _, candidate, found, content = best
    doubts = list(candidate.doubts)
    if others:
        doubts.append(
            f"labels could also be read from {', '.join(dict.fromkeys(others[:3]))}; {candidate.file} was taken"
        )
    return replace(candidate, doubts=tuple(doubts)), found, content


def _content(place: str, candidate: Candidate, stated: Stated) -> dict[str, Any]:
    content = baseline()
    content["task"] = stated.task or candidate.task
    ingest = content["ingest"]
    ingest["root"] = f"{place}/{candidate.root}" if candidate.root else place
    ingest["source"] = candidate.source
    block = ingest["sources"][candidate.source]
    block.update(candidate.block)
    if stated.group_column and "group_column" in block:
        block["group_column"] = stated.group_column
    ingest["max_rejected_frac"] = 1.0
    for other in list(ingest["sources"]):
        if other != candidate.source:
            del ingest["sources"][other]
    if tasks.find(content["task"]).HAS_BOXES:
        _prepare_detector(content)
    elif tasks.find(content["task"]).fault_of_labels(()) is None:
        content["decide"]["rule"] = "f_beta"
    return content


def _prepare_detector(content: dict[str, Any]) -> None:
    """Switch from a frozen backbone with a head to a detector that is trained as a whole."""
    content["model"]["freeze"] = "none"
    content["train"] |= {"solver": "adamw", "epochs": 12, "batch_size": 4, "learning_rate": 0.001}
    content["train"] |= {"weight_decay": 0.0001, "warmup_epochs": 0.5, "ema": 0.98, "monitor": "ap50"}
    content["train"]["augment"] = "standard"
    content["predict"]["batch_size"] = 8
    content["decide"]["rule"] = "f_beta"


def rejections(found: Survey) -> str:
    """Say how many rows cannot be used, with an example."""
    table = found.data.rejected
    rejected = table[table["kind"] == "rejected"]
    first = rejected.iloc[0]
    return (
        f"{len(rejected)} of {len(found.rows)} rows cannot be used, such as {first['where']}: "
        f"image {first['image']!r}: {first['reason']}"
    )
