"""How the labels of a folder can be read: candidates for `ingest.source` with its parameters, a file for each kind."""

from __future__ import annotations

from collections.abc import Iterator

from counterpoise.config import InputError
from counterpoise.planning.folder import Folder
from counterpoise.planning.formats import class_folders, coco, geojson, label_tables, voc, yolo
from counterpoise.planning.formats.candidate import Candidate


def candidates(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List how the labels can be read, boxes before labels of whole images, and folders last.

    Args:
        folder: The files.
        refused: Takes the reasons why files that look like labels are none.
    """
    for kind in (coco, yolo, voc, geojson, label_tables, class_folders):
        try:
            yield from kind.find(folder, refused)
        except InputError as error:
            refused.append(str(error))
