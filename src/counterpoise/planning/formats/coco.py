"""Whether files of JSON hold labels as COCO has them: one for all images, or one for each split."""

from __future__ import annotations

import mmap
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise.config import InputError
from counterpoise.planning import tables
from counterpoise.planning.folder import Folder
from counterpoise.planning.formats.candidate import SOME, Candidate
from counterpoise.sources import SPLITS, is_missing, read_json

MOST_JSON = 20
"""Files that are looked into."""


def find(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List a file for each split, or every file that holds images and annotations."""
    files = [file for file in folder.ending(".json")[:1000] if file.count("/") <= 3]
    holding = [file for file in files[: 10 * MOST_JSON] if _holds(folder, file, b'"images"', b'"annotations"')]
    by_split: dict[str, list[str]] = {}
    for file in holding[:MOST_JSON]:
        by_split.setdefault(_split_in(file), []).append(file)
    named = {split: own for split, own in by_split.items() if split}
    if len(named) > 1 and all(len(own) == 1 for own in named.values()):
        parts: dict[str, str] = {split: named[split][0] for split in ("train", "val", "test") if split in named}
        entries = {split: _images_of(folder, file) for split, file in parts.items()}
        above = _image_folder(folder, parts, entries)
        yield Candidate("coco", ", ".join(parts.values()), {"split_files": parts, "image_folder": above}, "detection")
        return
    for file in holding[:MOST_JSON]:
        entries = {"": _images_of(folder, file)}
        keys = Counter(key for entry in entries[""] for key in entry)
        common = [key for key, count in keys.items() if count == len(entries[""])]
        values = {key: {str(entry[key]) for entry in entries[""]} for key in common}
        block = {
            "file": file,
            "image_folder": _image_folder(folder, {"": file}, entries),
            "split_key": next((key for key in common if _are_splits(values[key])), ""),
            "group_key": next((key for key in common if tables.GROUPS.fullmatch(key) and len(values[key]) > 2), ""),
        }
        yield Candidate("coco", file, block, "detection")


def _holds(folder: Folder, file: str, *words: bytes) -> bool:
    path = folder.path / file
    if not path.stat().st_size:
        return False
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return all(data.find(word) >= 0 for word in words)


def _images_of(folder: Folder, file: str) -> list[Mapping[str, Any]]:
    entries = read_json(folder.path / file, "ingest.sources.coco.file").get("images")
    listed = entries if isinstance(entries, list) else []
    found: list[Mapping[str, Any]] = [entry for entry in listed if isinstance(entry, dict)]
    if not found:
        raise InputError(f"{folder.path / file}: expected a list of images, as COCO has")
    return found


def _image_folder(folder: Folder, files: Mapping[str, str], entries: Mapping[str, list[Mapping[str, Any]]]) -> str:
    """Find the folder in front of `file_name`, with `{split}` or `{folder}` where it differs by file."""
    votes: Counter[str] = Counter()
    for split, file in files.items():
        for entry in entries[split][:: max(1, len(entries[split]) // SOME)]:
            own = {prefix.rstrip("/") for prefix in folder.prefixes(str(entry.get("file_name", "")))}
            patterns = {prefix.replace(split, "{split}") for prefix in own if split}
            patterns |= {"{folder}" for prefix in own if prefix and prefix == posixpath.dirname(file)}
            votes.update(patterns | own)
    return max(sorted(votes), key=votes.__getitem__) if votes else ""


def _split_in(path: str) -> str:
    """Find the name of a split in a path, such as `instances_val2017.json` or `valid/_annotations.coco.json`."""
    words = [word for word in re.split(r"[^a-z]+", path.lower()) if word in SPLITS]
    return SPLITS[words[-1]] if words else ""


def _are_splits(values: set[str]) -> bool:
    found = {value.casefold() for value in values if not is_missing(value)}
    return len(found) > 1 and found <= SPLITS.keys()
