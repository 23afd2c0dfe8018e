"""Boxes of objects in new images, by a trained detector: images of any size, read by windows."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from counterpoise import images
from counterpoise.artifacts import decision as decision_file
from counterpoise.artifacts import model
from counterpoise.boxes.scenes import Merging, scene_boxes
from counterpoise.config import InputError
from counterpoise.dataset import box_inputs, ground, tiling
from counterpoise.dataset.box_inputs import Batch
from counterpoise.dataset.box_truth import Truth
from counterpoise.decision import boxes as box_decisions
from counterpoise.deployment import ahead
from counterpoise.detection import building, inference
from counterpoise.images import samples, scenes
from counterpoise.networks import devices

CACHE_BYTES = 2**26
"""Most bytes of decoded blocks that are kept: PyTorch and the network need most of a GiB, and most of the time."""
CPU_BATCH_PX = 2 * 256**2
"""Most pixels of the windows of a forward pass on a CPU, if there are several: each window takes some 30 MiB at 256 px,
and a large scene is to fit in a GiB."""
Position = tuple[str, tuple[float, float, float, float, float, float]]
"""A reference system, and the six numbers of `rasterio`'s transform."""
NOTHING = Truth(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))


@dataclass(frozen=True)
class Answer:
    """The n boxes found in one image.

    Attributes:
        image: Path of the image, as the user wrote it.
        boxes: (n, 4) x0, y0, x1, y1 in pixels of the image.
        labels: n class names.
        probs: (n,) how probably each is right, at the density of deployment.
        decided: (n,) whether it reaches the threshold of its class.
        position: Where the image lies on the earth; `None` if it does not say so.
        error: Why the image cannot be read; empty if it can.
    """

    image: str
    boxes: NDArray[np.float64]
    labels: tuple[str, ...]
    probs: NDArray[np.float64]
    decided: NDArray[np.bool_]
    position: Position | None = None
    error: str = ""

    def headline(self) -> str:
        """Count the boxes that are decided for."""
        names = [name for name, own in zip(self.labels, self.decided, strict=True) if own]
        counts = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
        return f"{self.image}: {counts or 'no box reaches the threshold of its class'}"

    def details(self, top: int) -> list[str]:
        """Write a line for each of the `top` most probable boxes."""
        lines = []
        for row in sorted(range(len(self.labels)), key=lambda row: -self.probs[row])[:top]:
            corners = ", ".join(f"{side:.0f}" for side in self.boxes[row])
            lines.append(f"    {self.probs[row]:6.3f}  {self.labels[row]}  x0, y0, x1, y1 = {corners} px")
        return lines

    def row(self) -> dict[str, Any]:
        """Write it as a row of a file."""
        if self.error:
            return {"image": self.image, "error": self.error}
        columns = (self.labels, self.boxes.tolist(), self.probs.tolist(), self.decided.tolist())
        boxes = [
            {"label": label, "box": corners, "prob": prob, "decided": decided}
            for label, corners, prob, decided in zip(*columns, strict=True)
        ]
        crs, transform = self.position or (None, None)
        return {"image": self.image, "boxes": boxes, "crs": crs, "transform": transform}


@dataclass(frozen=True)
class _Windows:
    """The windows of one image.

    Attributes:
        read: Gives the pixels of a window.
        windows: x0, y0, x1, y1 of each.
        card: Of the detector, for the size of its input.
        multiple_px: Heights and widths of inputs are multiples of it.
    """

    read: Callable[[tiling.Window], images.RGB]
    windows: Sequence[tiling.Window]
    card: model.DetectorCard
    multiple_px: int

    def __len__(self) -> int:
        return len(self.windows)

    def batches(self, order: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """Yield the pictures of each batch of window numbers."""
        for numbers in order:
            items = []
            for number in numbers.tolist():
                picture, factor = box_inputs.scaled(self.read(self.windows[number]), self.card.input_px)
                items.append((picture, NOTHING, factor))
            yield box_inputs.normalised(box_inputs.collate(self.multiple_px, items), self.card.backbone)


AHEAD = 64
"""Images that are decoded while the network looks at earlier ones."""


def answer(
    root: Path, paths: Iterable[Path], content: Mapping[str, Any], decided: decision_file.Decision
) -> Iterator[Answer]:
    """Find and decide boxes in new images, with the tiles, the model and the thresholds of the pipeline.

    Threads decode the next images while the network computes. Memory does not grow with the number of images.

    Args:
        root: A repository in which the pipeline has run for boxes.
        paths: Image files, read no further than needed.
        content: Checked parameters of the repository; `tile`, `predict` and `model` are used.
        decided: With the thresholds of boxes.

    Yields:
        One answer per image, in the order of `paths`.

    Raises:
        InputError: The model was trained for another task.
        ArtifactError: No model has been trained yet.
    """
    card = model.read_card(root)
    if not isinstance(card, model.DetectorCard) or decided.boxes is None:
        raise InputError(f"task is 'detection', but the model is of task {card.task!r}; run `dvc repro`")
    detectors = [building.rebuild(card, model.read_weights(root, member)) for member in range(card.members)]
    compute = devices.pick(content["model"]["device"], content["model"]["precision"])
    multiple_px = building.coarsest_px(card.backbone, building.of_card(card).detector)
    predict, tile = content["predict"], content["tile"]
    batch_size = predict["batch_size"]
    if compute.device.type == "cpu":
        batch_size = min(batch_size, max(1, CPU_BATCH_PX // card.input_px**2))
    views = len(detectors) * len(inference.VIEWS[predict["tta"]])
    how = Merging(
        method=predict["merge"],
        match=predict["match"],
        overlap=predict["overlap"],
        edge_px=predict["edge_px"],
        min_score=predict["min_score"],
        views=views,
        edge_factor=predict["edge_factor"],
    )
    for path, decoded in ahead.in_order(partial(_decoded, card=card), paths, AHEAD, _size_bytes):
        try:
            with _opened(path, decoded, card, tile["size_px"]) as (read, (width, height)):
                windows = tiling.windows(width, height, tile["size_px"], tile["overlap_px"])
                inputs = _Windows(read, windows, card, multiple_px)
                found = inference.find(detectors, inputs, batch_size, predict["tta"], compute)
        except InputError as error:
            none = np.zeros(0)
            yield Answer(str(path), none.reshape(0, 4), (), none, none > 0, error=str(error))
            continue
        merged = scene_boxes(
            found.boxes,
            np.clip(found.scores, how.min_score / 2, 1 - 1e-7),
            found.labels,
            found.tile,
            windows=np.array(windows, dtype=np.float64),
            scene=(float(width), float(height)),
            how=how,
        )
        logits = np.log(merged.scores) - np.log1p(-np.clip(merged.scores, 0, 1 - 1e-7))
        yield Answer(
            str(path),
            merged.boxes,
            tuple(card.classes[label] for label in merged.labels),
            box_decisions.probabilities(decided.boxes, logits, merged.labels),
            box_decisions.decided(decided.boxes, logits, merged.labels),
            _position(path),
        )


def _decoded(path: Path, card: model.DetectorCard) -> images.RGB | InputError | None:
    """Decode an image; one that is too large to be decoded whole is `None`."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
            return InputError(f"{path}: not a regular file")
        if scenes.measure(path)[1]:
            return None
        with samples.room_for(path):
            return images.decode(path.read_bytes(), card.pixels)
    except OSError as error:
        return InputError(f"{path}: the image cannot be read: {error.strerror}")
    except images.ImageError as error:
        return InputError(f"{path}: {error}")


def _size_bytes(decoded: images.RGB | InputError | None) -> int:
    return decoded.nbytes if isinstance(decoded, np.ndarray) else 0


@contextmanager
def _opened(
    path: Path, decoded: images.RGB | InputError | None, card: model.DetectorCard, rows_px: int
) -> Iterator[tuple[Callable[[tiling.Window], images.RGB], tuple[int, int]]]:
    """Give a function that reads a window of an image, and its width and height.

    Raises:
        InputError: The image cannot be read.
    """
    if isinstance(decoded, InputError):
        raise decoded
    if decoded is not None:
        image = decoded
        yield lambda window: image[window[1] : window[3], window[0] : window[2]], image.shape[1::-1]
        return
    try:
        with scenes.opened(path, rows_px=rows_px, cache_bytes=CACHE_BYTES) as scene:
            yield lambda window: images.render_window(scene, card.pixels, window), scene.size_px
    except OSError as error:
        raise InputError(f"{path}: the image cannot be read: {error.strerror}") from error
    except images.ImageError as error:
        raise InputError(f"{path}: {error}") from error


def _position(path: Path) -> Position | None:
    """Find where an image lies on the earth; `None` where it does not say so, or rasterio is not installed."""
    if not ground.states_position(path) or importlib.util.find_spec("rasterio") is None:
        return None
    where = ground.place(path)
    if where is None:
        return None
    crs, a, b, c, d, e, f, _ = where
    return str(crs), (float(a), float(b), float(c), float(d), float(e), float(f))
