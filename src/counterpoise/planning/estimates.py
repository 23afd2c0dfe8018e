"""How long a run takes, and how much memory and disk: rates measured on this machine, times what there is to do.

The network is timed where it will run. The constants of this file come from whole runs of the stages, each measured by
`os.wait4`, on two cores that other programs shared. Estimate and run without DVC, in CPU seconds of a machine on which
`import torch` takes 1.6, and the largest memory of a stage:

    532 roofs of 101 px, two classes, a head on stored features     29 and 33 s    2.2 and 2.2 GiB
    the same, the whole network, 1 epoch                            63 and 72 s    4.1 and 3.8 GiB
    36 scenes in 324 tiles, preset `scenes`, 2 epochs             178 and 143 s    1.6 and 1.6 GiB

On that machine, where the load changed between estimate and run, the run took 0.5 to 2 times as long as estimated.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from counterpoise import config, images, storage, tasks
from counterpoise.artifacts import prior as prior_file
from counterpoise.config import InputError
from counterpoise.dataset import cpus
from counterpoise.images import samples as image_samples
from counterpoise.planning.rehearsal import Rehearsal
from counterpoise.planning.survey import Survey
from counterpoise.planning.timing import Rates

STARTS = {
    **{
        "code": 1.0,
        "check": 0.4,
        "demo": 0.15,
        "ingest": 0.5,
        "split": 0.5,
        "tile": 0.5,
        "oversample": 0.4,
        "embed": 1.6,
    },
    **{"train": 2.0, "predict": 1.3, "decide": 0.6, "evaluate": 0.6, "report": 1.7},
}
"""Time of a stage with next to nothing to do, in starts of PyTorch."""
STARTS_OF_BOXES = STARTS | {"predict": 3.0, "report": 4.0}
"""The same where labels are boxes: scenes are put together, and drawn."""
DVC = 3.0
"""Seconds of `dvc repro` itself, likewise."""
FEATURES_PER_S = 2.0e7
"""Features that the search for the best penalty of a linear head reads in a second: tiles x features x classes."""
HEAD_STEPS_PER_S = 300.0
"""Steps of a small head on stored features in a second."""
COPY_S, SPLIT_S, HEAD_S = 3e-4, 2e-4, 1e-4
"""Seconds to copy a tile, to split an image, and to apply a head to stored features."""
DECIDE_S, EVALUATE_S, REPORT_S = 1e-5, 2e-5, 0.015
"""Seconds to decide for a class of an image, to score it, and to report on a class."""
LOW, HIGH = 0.6, 1.5
"""The range that is stated, times the estimate; it holds while the load of the machine stays the same."""
TIMEOUT_S = 90.0
"""Seconds after which timing the network is given up."""
SMALL_BYTES, PAGE_BYTES, PAGE_OF_BOXES_BYTES = 2**28, 3 * 2**27, 2**30
"""Memory of a stage that holds tables alone, and of `report`, which draws charts, and scenes where labels are boxes."""
PAGE_ON_DISK_BYTES = 3 * 2**20
"""What `report` leaves: a page with its pictures."""
HEAD_BYTES = 15 * 2**26
"""Memory of PyTorch with a head, but for the features."""
AHEAD = 1.2
"""Tiles that wait for the network take so much more memory than a batch alone."""


@dataclass(frozen=True)
class Stage:
    """What a stage takes.

    Attributes:
        name: Its name.
        seconds: Its time.
        memory_bytes: Its largest memory.
        disk_bytes: What it leaves on the disk.
        reason: What it does most of the time, and at what rate.
    """

    name: str
    seconds: float
    memory_bytes: int = 0
    disk_bytes: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Estimate:
    """What a run takes.

    Attributes:
        stages: All stages.
        rates: What was timed.
        free_bytes: Free space on the disk of the repository.
        took_s: Seconds that measuring took.
    """

    stages: tuple[Stage, ...]
    rates: Rates
    free_bytes: int
    took_s: float

    @property
    def seconds(self) -> float:
        """Of `dvc repro` from nothing."""
        return sum(stage.seconds for stage in self.stages) + DVC * self.rates.start_s

    @property
    def disk_bytes(self) -> int:
        """What a run leaves, once in the workspace and once in the cache of DVC."""
        return 2 * sum(stage.disk_bytes for stage in self.stages)


class NotTimedError(InputError):
    """The network was too slow to be timed, so nothing is known; the parameters may be right."""


def estimate(
    root: Path,
    content: Mapping[str, Any],
    found: Survey,
    rehearsed: Rehearsal,
    disk: Path | None = None,
    demo_s: float = 0.0,
) -> Estimate:
    """Estimate a run of the whole pipeline.

    Args:
        root: The repository.
        content: Checked parameters.
        found: The data set.
        rehearsed: Its split and tiles.
        disk: Where a run writes, if not into `root`.
        demo_s: Seconds that writing the demo set took.

    Raises:
        NotTimedError: The network is too slow.
        InputError: The network cannot be built.
    """
    began_s = time.perf_counter()
    rates = time_network(content, rehearsed)
    stages = _stages(content, found, rehearsed, rates, _time_tiles(root, content, found))
    stages = [replace(stage, seconds=stage.seconds + demo_s * (stage.name == "demo")) for stage in stages]
    return Estimate(tuple(stages), rates, shutil.disk_usage(disk or root).free, time.perf_counter() - began_s)


def time_network(content: Mapping[str, Any], rehearsed: Rehearsal) -> Rates:
    """Time the network in a process of its own.

    Raises:
        NotTimedError: It is too slow.
        InputError: It cannot be built, or its memory does not suffice.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        storage.write_text(root / config.PATH, json.dumps(content))
        prior_file.write(root, rehearsed.prior)
        command = [sys.executable, "-m", "counterpoise.planning.timing", folder]
        try:
            done = subprocess.run(
                [*command, str(max(1, round(rehearsed.boxes_per_tile)))],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise NotTimedError(
                f"a few batches of the network took more than {TIMEOUT_S:.0f} s; either this machine is busy, or the "
                "network is large for it: lower model.input_px, choose a smaller model.backbone, or train on a GPU"
            ) from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["the process was killed, likely for want of memory"])[-1]
            raise InputError(f"{config.PATH}: the network cannot run: {last}") from error
        return Rates(**json.loads(done.stdout.splitlines()[-1]))


def _time_tiles(root: Path, content: Mapping[str, Any], found: Survey) -> tuple[float, float]:
    """Encode a tile of a few images: seconds and bytes of each, mean."""
    table, side = found.data.manifest, content["tile"]["size_px"]
    seconds, sizes = [], []
    for path in table["path"].iloc[:: max(1, len(table) // 4)].tolist()[:4]:
        try:
            data = (root / path).read_bytes()
            if len(data) <= image_samples.MAX_IMAGE_BYTES // 16:
                shown = images.decode_fast(data, found.data.pixels)[:side, :side]
                decoded_s = time.perf_counter()
                level = content["tile"]["compress_level"]
                jpeg = content["tile"]["format"] == "jpeg"
                encoded = (
                    images.encode_jpeg(shown, content["tile"]["quality"]) if jpeg else images.encode_png(shown, level)
                )
                seconds.append(time.perf_counter() - decoded_s)
                sizes.append(len(encoded))
        except (OSError, images.ImageError):
            continue
    return (sum(seconds) / len(seconds), sum(sizes) / len(sizes)) if sizes else (0.02, 3.0 * side * side)


@dataclass(frozen=True)
class _Load:
    """What there is to do, and the rates of small steps.

    Attributes:
        images: Images that are decoded.
        tiles: Split -> tiles.
        measured: Tiles of val and test.
        embedded: Tiles and views whose features are stored.
        classes: Their number.
        tile_s: Seconds to make a tile, of one thread.
        tile_bytes: Its size.
        loading_s: Seconds to load a tile, shared by all threads.
        threads: CPUs.
        passes: How often each image is decoded by `ingest`.
    """

    images: int
    tiles: Mapping[str, int]
    measured: int
    embedded: int
    classes: int
    tile_s: float
    tile_bytes: float
    loading_s: float
    threads: int
    passes: int


TURNS = {"none": 1, "flips": 4, "dihedral": 8}
"""`predict.tta` -> views over which a prediction is averaged."""


def _load(content: Mapping[str, Any], found: Survey, rehearsed: Rehearsal, encoding: tuple[float, float]) -> _Load:
    """Count what there is to do."""
    count, threads, tiles = len(found.data.manifest), cpus.available(), rehearsed.tiles
    plain = "8 bits, 0 to 255 unchanged" in found.data.pixels.found
    every = sum(tiles.values())
    encode_s, tile_bytes = encoding
    copied = plain and every == sum(rehearsed.images.values())  # byte for byte
    views, turns = content["oversample"]["views"], TURNS[content["predict"]["tta"]]
    measured = tiles["val"] + tiles["test"]
    return _Load(
        count,
        tiles,
        measured,
        every * (views + turns),
        len(rehearsed.names),
        COPY_S if copied else encode_s + found.decode_s * count / max(1, every),
        found.file_bytes if copied else tile_bytes,
        (found.decode_s if copied else encode_s / 2) / threads,  # decoding takes about half as long as encoding
        threads,
        1 if plain else 2,
    )


def _training(content: Mapping[str, Any], load: _Load, samples: int, rates: Rates) -> tuple[float, float, str]:
    """Estimate `train` and `predict`: seconds of each, and what training does."""
    members, epochs, wide = content["train"]["members"], content["train"]["epochs"], rates.width
    if content["model"]["freeze"] != "backbone":
        forward_s = rates.forward_s + load.loading_s
        epoch_s = samples * (rates.step_s + load.loading_s) + load.tiles["val"] * forward_s
        reason = f"{epochs} epochs of {samples} samples, {_each(rates.step_s)} a sample, timed on {rates.device}"
        turns = TURNS[content["predict"]["tta"]]
        return members * epochs * epoch_s + rates.prepare_s, load.measured * turns * members * forward_s, reason
    predict_s = load.measured * members * HEAD_S
    if content["train"]["solver"] == "lbfgs":
        train_s = members * samples * wide * load.classes / FEATURES_PER_S
        return train_s, predict_s, f"a linear head on {samples} x {wide} features"
    steps = epochs * max(1, samples / content["train"]["batch_size"])
    return members * steps / HEAD_STEPS_PER_S, predict_s, f"{epochs} epochs of a head on {samples} x {wide} features"


def _stages(
    content: Mapping[str, Any], found: Survey, rehearsed: Rehearsal, rates: Rates, encoding: tuple[float, float]
) -> list[Stage]:
    """Multiply rates by what there is to do."""
    load, samples = _load(content, found, rehearsed, encoding), rehearsed.samples
    frozen, every = content["model"]["freeze"] == "backbone", sum(load.tiles.values())
    train_s, predict_s, train = _training(content, load, samples, rates)
    decoding_s = load.images * found.decode_s * load.passes / load.threads
    forward_s = rates.forward_s + load.loading_s
    features_bytes = 4 * rates.width * load.embedded
    of_network = int(AHEAD * rates.memory_bytes)
    of_head = HEAD_BYTES + 2 * features_bytes
    of_train, of_predict = (of_head, of_head) if frozen else (of_network, int(AHEAD * rates.forward_bytes))
    thumbnails = load.images * images.THUMBNAIL_PX**2
    decoders = min(image_samples.MAX_SHARED_BYTES, SMALL_BYTES + load.threads * int(16 * found.file_bytes))
    boxes = tasks.find(content["task"]).HAS_BOXES
    decided, scored = (load.classes * count for count in (load.measured, load.tiles["test"]))
    page = PAGE_OF_BOXES_BYTES if boxes else PAGE_BYTES
    ingest = f"{load.images} images, {_each(found.decode_s)} to decode one, in {load.threads} threads"
    embed = f"{load.embedded} tiles and views, {_each(forward_s)} each with {rates.runtime} on {rates.device}"
    rows: dict[str, tuple[float, int, int, str]] = {
        "code": (0.0, 0, 0, ""),
        "check": (0.0, 0, 0, ""),
        "demo": (0.0, 0, 0, ""),
        "ingest": (found.read_s + decoding_s, decoders, thumbnails, ingest),
        "split": (load.images * SPLIT_S, SMALL_BYTES + 4 * thumbnails, 0, ""),
        "tile": (
            *(every * load.tile_s / load.threads, SMALL_BYTES, int(every * load.tile_bytes)),
            f"{every} tiles, {_each(load.tile_s)} each",
        ),
        "oversample": (samples * 1e-5, SMALL_BYTES, 0, ""),
        "embed": (load.embedded * forward_s + rates.prepare_s, of_network, features_bytes, embed),
        "train": (train_s, of_train, rates.weights_bytes * content["train"]["members"], train),
        "predict": (predict_s, of_predict, load.measured * load.classes * 16, ""),
        "decide": (decided * DECIDE_S, SMALL_BYTES, 0, ""),
        "evaluate": (scored * EVALUATE_S, SMALL_BYTES, 0, ""),
        "report": (load.classes * REPORT_S, page, PAGE_ON_DISK_BYTES, ""),
    }
    if not frozen:
        rows["embed"] = (0.0, SMALL_BYTES, 0, "nothing: the whole network is trained")
    starts = STARTS_OF_BOXES if boxes else STARTS
    return [
        Stage(name, starts[name] * rates.start_s + seconds, memory, disk, reason)
        for name, (seconds, memory, disk, reason) in rows.items()
    ]


def _each(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def in_words(found: Estimate) -> str:
    """Say how long a run takes, in a clause."""
    low, high = LOW * found.seconds, HIGH * found.seconds
    unit, size = ("seconds", 1.0) if high < 120 else ("minutes", 60.0) if high < 7200 else ("hours", 3600.0)
    return f"about {found.seconds / size:.0f} {unit} ({low / size:.0f} to {high / size:.0f}) on this machine"


def lines(found: Estimate) -> list[str]:
    """Write time, memory and disk of every stage, with the rates they come from."""
    rows = ["stage        time   memory     disk"]
    for stage in found.stages:
        memory = f"{stage.memory_bytes / 2**30:5.1f} GiB" if stage.memory_bytes else "         "
        disk = f"{_size(stage.disk_bytes):>8}" if stage.disk_bytes else " " * 8
        rows.append(f"{stage.name:<10}{stage.seconds:5.0f} s {memory} {disk}  {stage.reason}".rstrip())
    return rows


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
