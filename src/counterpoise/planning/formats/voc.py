"""Whether there are XML files as Pascal VOC has them, and from which number they count pixels."""

from __future__ import annotations

import posixpath
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator

from counterpoise.config import InputError
from counterpoise.planning.folder import Folder, evenly
from counterpoise.planning.formats.candidate import SOME, Candidate
from counterpoise.sources import read_text


def find(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List the XML files as one way to read boxes."""
    files = folder.ending(".xml")
    looked = [(file, root) for file in evenly(files, SOME) if (root := _xml(folder, file)) is not None]
    if not looked:
        return
    shared = posixpath.commonpath([posixpath.dirname(file) or "." for file in files])
    annotations = "" if shared == "." else shared
    votes = Counter(
        prefix.rstrip("/")
        for file, root in looked
        for prefix in folder.prefixes(root.findtext("filename") or posixpath.splitext(posixpath.basename(file))[0])
    )
    sides = [
        float(node.text or "nan")
        for _, root in looked
        for side in ("xmin", "ymin")
        for node in root.iter(side)
        if re.fullmatch(r"\s*-?[\d.]+\s*", node.text or "")
    ]
    from_zero = any(0 <= side < 1 for side in sides)
    lists = [posixpath.dirname(file) for file in folder.ending("/train.txt")]
    sets = next((name for name in lists if {f"{name}/val.txt", f"{name}/test.txt"} & {*folder.files}), "")
    block = {
        "annotations": annotations,
        "images": max(sorted(votes), key=votes.__getitem__) if votes else "",
        "image_sets": sets,
        "one_based": not from_zero,
    }
    notes = {"one_based": "a box begins at 0, so pixels are counted from 0"} if from_zero else {}
    doubts = (
        ()
        if from_zero
        else (
            f"no box of {len(looked)} XML files begins at 0, so pixels are taken to be counted from 1, as in Pascal "
            "VOC; if they are not, set ingest.sources.voc.one_based to false",
        )
    )
    yield Candidate("voc", f"{len(files)} XML files", block, "detection", notes=notes, doubts=doubts)


def _xml(folder: Folder, file: str) -> ElementTree.Element | None:
    try:
        root = ElementTree.fromstring(read_text(folder.path / file, "file"))
    except (ElementTree.ParseError, InputError):
        return None
    return root if root.tag == "annotation" else None
