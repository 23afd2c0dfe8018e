"""How many images per second does a detector train on, beside torchvision's reference script for detection?

Run `python benchmarks/detecting.py BUILT`, with a folder in which `dvc repro oversample` wrote tiles with boxes, such
as a clone with `presets/scenes.yaml` as its `params.yaml`. It changes nothing there. Two loops train the same network
on the same tiles, those that show an object, in batches of the same size, with as many workers and torch threads:

- `ours`: `loop.fit`, as stage `train` calls it, augmentation `flips`, with the validation of four tiles;
- `torchvision`: what `references/detection/train.py` does, whose file is in no wheel: its preset `hflip`, a
  `DataLoader` that gives lists, `train_one_epoch` with SGD, and torchvision's own `FasterRCNN` on the same timm
  backbone and pyramid, with the same anchors, and as many proposals and sampled regions.

Rounds of one epoch alternate, after one that is not counted. Printed are medians of images per second, and the median
and the ends of the ratio within a round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from counterpoise import config, images
from counterpoise.artifacts import prior as prior_file
from counterpoise.artifacts import tile_boxes, tiles
from counterpoise.artifacts.prior import BoxPrior
from counterpoise.dataset.box_examples import CORNERS
from counterpoise.dataset.inputs import workers_count
from counterpoise.detection import backbone, building, necks, two_stage
from counterpoise.networks import backbones, devices
from counterpoise.stages.train import Params
from counterpoise.training import box_objective, loop
from counterpoise.training.box_examples import BoxExamples
from counterpoise.training.box_teaching import Boxes, Combined
from counterpoise.training.curriculum import Curriculum
from counterpoise.training.tasks import detection

VAL_TILES = 4
Epoch = Callable[[], float]
"""Trains for one epoch and returns the seconds that it took."""


def settings(root: Path) -> Params:
    """Take the parameters of the folder, but for what is measured."""
    content: dict[str, Any] = config.load(root)
    content["train"] |= {"epochs": 1, "augment": "flips", "warmup_epochs": 0.0, "schedule": "constant", "ema": 0.0}
    content["oversample"] |= {"copy_paste": {**content["oversample"]["copy_paste"], "frac": 0.0}}
    return config.validate(Params, {name: content[name] for name in Params.model_fields})


def with_objects(root: Path, split: str, most: int) -> NDArray[np.int64]:
    """Choose the first tiles that show an object."""
    table, boxes = tiles.read(root, split).table, tile_boxes.read(root, split)
    shown = table["tile_id"].isin(boxes.loc[boxes["ignore"] == 0, "tile_id"])
    return np.flatnonzero(shown)[:most].astype(np.int64)


def ours(root: Path, params: Params, rows: NDArray[np.int64]) -> Epoch:
    """Prepare our own loop."""
    prior = prior_file.read(root)
    assert isinstance(prior, BoxPrior)

    def examples(split: str, chosen: NDArray[np.int64]) -> BoxExamples:
        part = tiles.read(root, split)
        return detection.examples(root, split, part, chosen, np.zeros_like(chosen), prior, params)

    train, val = examples("train", rows), examples("val", with_objects(root, "val", VAL_TILES))
    goal, _ = box_objective.build(prior, params)
    plan, compute = detection.plan(prior, params, train.sides), devices.pick(params.model.device, "float32")

    def epoch() -> float:
        detector = building.build(plan, params.model.weights, 0).to(memory_format=torch.channels_last)
        network = Combined(detector, lambda losses: torch.stack(list(losses.values())).sum())
        start = time.perf_counter()
        loop.fit(network, Curriculum(train, goal), val, params.train, compute, None, Boxes())
        return time.perf_counter() - start

    return epoch


class Pictures(torch.utils.data.Dataset[Any]):
    """Tiles with boxes, as torchvision's `CocoDetection` wrapped for transforms gives them."""

    def __init__(self, root: Path, rows: NDArray[np.int64], names: tuple[str, ...], transform: Any) -> None:  # noqa: ANN401
        self.tiles, self.rows, self.names, self.transform = tiles.read(root, "train"), rows, names, transform
        listed = tile_boxes.read(root, "train")
        objects = listed[listed["ignore"] == 0].groupby("tile_id")
        self.boxes = {str(tile_id): own for tile_id, own in objects}

    def __len__(self) -> int:
        """Count the tiles."""
        return len(self.rows)

    def __getitem__(self, number: int) -> Any:  # noqa: ANN401
        """Decode a tile, and augment it with its boxes."""
        from torchvision import tv_tensors

        row = int(self.rows[number])
        picture = Image.fromarray(images.decode(self.tiles.load(row)))
        own = self.boxes[str(self.tiles.table["tile_id"].iat[row])]
        corners = torch.tensor(own[CORNERS].to_numpy(dtype=np.float32))
        boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=picture.size[::-1])
        labels = torch.tensor([self.names.index(name) + 1 for name in own["label"]])
        return self.transform(picture, {"boxes": boxes, "labels": labels, "image_id": number})


def of_torchvision(root: Path, params: Params, rows: NDArray[np.int64]) -> Epoch:
    """Prepare the loop of torchvision's reference: `DetectionPresetTrain` and `train_one_epoch`."""
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler
    from torchvision.models.detection import FasterRCNN, anchor_utils, faster_rcnn
    from torchvision.ops import MultiScaleRoIAlign
    from torchvision.transforms import v2

    prior, section = prior_file.read(root), params.detector
    preset = v2.Compose(
        [
            v2.PILToTensor(),
            v2.RandomHorizontalFlip(0.5),
            v2.ToDtype(torch.float, scale=True),
            v2.SanitizeBoundingBoxes(),
            v2.ToPureTensor(),
        ]
    )
    dataset = Pictures(root, rows, prior.classes, preset)
    batches = BatchSampler(RandomSampler(dataset), params.train.batch_size, drop_last=True)
    loader: DataLoader[Any] = DataLoader(dataset, batch_sampler=batches, num_workers=workers_count(), collate_fn=_lists)
    mean, deviation = backbones.normalisation(params.model.backbone)

    def network() -> nn.Module:
        name, weights, px = params.model.backbone, params.model.weights, params.model.input_px
        maps = backbone.build(name, weights, 0, section.levels, freeze_first=0, freeze_norms=section.freeze_norms)
        channels, _ = backbone.outline(maps, name, section.levels)
        body: Any = nn.Sequential(maps, necks.find("fpn").build(channels, section.channels))
        body.out_channels = section.channels
        sizes = tuple((size,) for size in section.anchors.sizes_px)
        pooled = MultiScaleRoIAlign([str(n) for n in range(len(sizes))], 7, 2, canonical_scale=two_stage.CANONICAL_PX)
        detector: nn.Module = FasterRCNN(
            body,
            min_size=px,
            max_size=px,
            image_mean=list(np.ravel(mean)),
            image_std=list(np.ravel(deviation)),
            rpn_anchor_generator=anchor_utils.AnchorGenerator(sizes, (tuple(section.anchors.ratios),) * len(sizes)),
            rpn_pre_nms_top_n_train=1000,
            rpn_post_nms_top_n_train=section.proposal_count,
            box_roi_pool=pooled,
            box_head=faster_rcnn.TwoMLPHead(section.channels * 49, section.hidden),
            box_predictor=faster_rcnn.FastRCNNPredictor(section.hidden, len(prior.classes) + 1),
            box_batch_size_per_image=section.samples,
            box_positive_fraction=section.positive_frac,
        )
        return detector

    def epoch() -> float:
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=1e-4)
        logged: list[dict[str, float]] = []
        start = time.perf_counter()
        model.train()
        for pictures, truth in loader:
            targets = [{key: own for key, own in one.items() if isinstance(own, Tensor)} for one in truth]
            losses = model(list(pictures), targets)
            total = torch.stack(list(losses.values())).sum()
            logged.append({name: own.item() for name, own in losses.items()} | {"loss": total.item()})
            optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return time.perf_counter() - start

    return epoch


def _lists(batch: list[Any]) -> Any:  # noqa: ANN401
    return tuple(zip(*batch, strict=True))


def main() -> None:
    """Compare both loops."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("built", type=Path, help="a folder with tiles with boxes")
    parser.add_argument("--tiles", type=int, default=96, help="tiles of an epoch, at most")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each loop that count")
    arguments = parser.parse_args()
    params = settings(arguments.built)
    rows = with_objects(arguments.built, "train", arguments.tiles)
    rows = rows[: len(rows) // params.train.batch_size * params.train.batch_size]
    loops = {
        "ours": ours(arguments.built, params, rows),
        "torchvision": of_torchvision(arguments.built, params, rows),
    }
    print(
        f"{len(rows)} tiles at {params.model.input_px} px, batches of {params.train.batch_size}, {workers_count()} "
        f"workers, {torch.get_num_threads()} threads, {arguments.rounds} rounds"
    )
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(arguments.rounds + 1):
        for name in sorted(loops, reverse=bool(number % 2)):
            seconds = loops[name]()
            if number:
                rates[name].append(len(rows) / seconds)
    for name, values in rates.items():
        print(f"{name:12s} {statistics.median(values):6.2f} images/s")
    ratios = [own / other for own, other in zip(rates["ours"], rates["torchvision"], strict=True)]
    print(f"ours is {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times as fast")


if __name__ == "__main__":
    main()
