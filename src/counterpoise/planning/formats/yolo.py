"""Whether a `data.yaml` says where the text files of YOLO lie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from counterpoise.config import InputError, yaml12
from counterpoise.planning.folder import Folder, evenly
from counterpoise.planning.formats.candidate import SOME, Candidate
from counterpoise.sources import read_text


def find(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List every `data.yaml` with the names of classes."""
    for file in folder.ending(".yaml", ".yml"):
        if file.count("/") > 2:
            continue
        try:
            content = yaml12.read(read_text(folder.path / file, "file"))
        except (InputError, yaml12.RefusedError) as error:
            refused.append(f"{folder.path / file}: {error}")
            continue
        if isinstance(content, dict) and "names" in content and content.keys() & {"train", "val", "test"}:
            yield Candidate("yolo", file, {"file": file}, "detection")
    texts = {posixpath.splitext(file)[0] for file in folder.ending(".txt")}
    images = [image.replace("images/", "labels/") for image in evenly(folder.images, SOME)]
    beside = sum(posixpath.splitext(image)[0] in texts for image in images)
    if beside > len(images) / 2 and not folder.ending(".yaml", ".yml"):
        refused.append(
            f"{folder.path}: there is a text file for each image, as YOLO has, but no data.yaml with the names of the "
            "classes; write one with the lines `names: [...]` and `train: images` (the folder of the images)"
        )
