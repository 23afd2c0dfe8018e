"""Time the network of `params.yaml` for a few seconds: `python -m counterpoise.planning.timing FOLDER`.

The folder holds `params.yaml` and `data/prior.json`. It runs as a process of its own, so that its memory is that of a
stage. The weights are random, which takes as long as trained ones. Prints `Rates` as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

BEGAN_S = time.perf_counter()
ENOUGH_S = 1.5
"""A batch that takes longer is not timed twice, and larger ones are not tried."""
AGAIN = 2
"""How often the last batch is timed again; the shortest time counts."""


@dataclass(frozen=True)
class Rates:
    """What the network takes on this machine.

    Attributes:
        start_s: Seconds from the start of Python until PyTorch is there.
        prepare_s: Seconds to build the network, and to export it where ONNX Runtime runs it.
        forward_s: Seconds per tile, without gradients.
        step_s: Seconds per sample of a training step; 0 where only a head is trained, on features.
        memory_bytes: Largest memory of the process with a batch of the size that `params.yaml` states.
        forward_bytes: The same without training.
        device: Where it ran, such as `cpu`.
        device_bytes: The same of the device; 0 for a CPU.
        device_free_bytes: Memory of the device; 0 for a CPU.
        runtime: `torch` or `onnxruntime`.
        width: Features of a tile; 0 where they are not stored.
        weights_bytes: Weights of the network in float32.
    """

    start_s: float
    prepare_s: float
    forward_s: float
    step_s: float
    memory_bytes: int
    forward_bytes: int
    device: str
    device_bytes: int
    device_free_bytes: int
    runtime: str
    width: int
    weights_bytes: int


def main(root: Path, boxes_per_tile: int) -> Rates:
    """Time the network."""
    import torch

    from counterpoise import config, tasks
    from counterpoise.artifacts import prior as prior_file
    from counterpoise.networks import devices, inference
    from counterpoise.training.settings import Settings

    start_s = time.perf_counter() - BEGAN_S
    content = config.load(root)
    params = config.validate(Settings, {key: content[key] for key in Settings.model_fields})
    compute = devices.pick(params.model.device, params.model.precision)
    torch.manual_seed(0)
    began_s = time.perf_counter()
    width = 0
    step: Callable[[int], None] | None = None
    frozen = params.model.freeze == "backbone"
    per_step = int(content["embed"]["batch_size"]) if frozen else int(content["predict"]["batch_size"])
    if tasks.find(content["task"]).HAS_BOXES:
        network, step, forward = _detector(params, prior_file.read(root), compute, boxes_per_tile)
        weights_bytes = _weights_bytes(network)
    elif frozen:
        from counterpoise.networks import backbones

        backbone = backbones.build_backbone(params.model.backbone, "none", 0, params.model.pool)
        width = backbones.width(backbone, params.model.input_px)
        weights_bytes = 4 * width * len(prior_file.read(root).classes)  # of the head
        network = inference.freeze(
            backbone.to(memory_format=torch.channels_last), params.model.backbone, params.model.input_px, compute
        )
        forward = _forward(network, params.model.input_px, compute)
    else:
        network, step, forward = _network(params, len(prior_file.read(root).classes), compute)
        weights_bytes = _weights_bytes(network)
    prepare_s = time.perf_counter() - began_s
    forward_s, forward_bytes = _timed(forward, per_step, compute)
    peak_bytes = forward_bytes
    step_s = 0.0
    if step is not None:
        network.train()
        batch = -(-params.train.batch_size // params.train.accumulate)
        step_s, of_steps = _timed(step, batch, compute, least=2)  # a batch norm cannot train on one value
        peak_bytes = max(peak_bytes, of_steps)
    cuda = compute.device.type == "cuda"
    return Rates(
        start_s,
        prepare_s,
        forward_s,
        step_s,
        max(peak_bytes, _memory()),
        forward_bytes,
        compute.device.type,
        torch.cuda.max_memory_reserved() if cuda else 0,
        torch.cuda.mem_get_info()[1] if cuda else 0,
        inference.runtime(network),
        width,
        weights_bytes,
    )


def _weights_bytes(network: Any) -> int:  # noqa: ANN401 - torch is lazy
    return 4 * sum(int(weight.numel()) for weight in network.parameters())


def _forget_peak() -> None:
    """Let the largest memory count from now on, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory() -> int:
    """Say the largest memory of the process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _timed(run: Callable[[int], None], batch: int, compute: Any, least: int = 1) -> tuple[float, int]:  # noqa: ANN401 - torch is lazy
    """Time batches of growing size, up to the whole one, and see what memory they take.

    The first run of all is not timed: it makes what later ones keep.

    Args:
        run: Computes a batch of a size.
        batch: Size of the whole batch.
        compute: Where it runs.
        least: Size of the smallest batch.

    Returns:
        Seconds of each input, and the memory of the process with a whole batch: where only smaller ones ran, at least
        two of them, each further input takes as much as those did by which the last two sizes differ.
    """
    import torch

    def seconds(size: int) -> float:
        began_s = time.perf_counter()
        run(size)
        if compute.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began_s

    size, batch, memory = least, max(least, batch), list[tuple[int, int]]()
    _forget_peak()
    seconds(size)
    while True:
        took_s = seconds(size)
        memory.append((size, _memory()))
        slow = took_s * min(4, batch / size) > ENOUGH_S
        if size == batch or (slow and len(memory) > 1):
            break
        size = min(batch, (2 if slow else 4) * size)
    for _ in range(AGAIN):  # the first batch of a size is slow, and so is one beside another program
        if took_s < ENOUGH_S:
            took_s = min(took_s, seconds(size))
    return took_s / size, _extrapolated(memory, batch)


def _extrapolated(memory: Sequence[tuple[int, int]], batch: int) -> int:
    """Estimate the memory of a batch from pairs of a smaller size and its memory, the last two of which count.

    Example:
        >>> _extrapolated([(1, 150), (4, 180)], 16)
        300
    """
    if memory[-1][0] == batch:
        return memory[-1][1]
    (smaller, before), (larger, after) = memory[-2:]
    return after + (after - before) * (batch - larger) // (larger - smaller)


def _forward(network: Any, side: int, compute: Any) -> Callable[[int], None]:  # noqa: ANN401
    import torch

    from counterpoise.networks import inference

    def forward(size: int) -> None:
        inference.outputs(network, [torch.rand(size, 3, side, side)], compute)

    return forward


def _network(params: Any, classes: int, compute: Any) -> tuple[Any, Callable[[int], None], Callable[[int], None]]:  # noqa: ANN401
    import torch

    from counterpoise.training import members

    section = params.model.model_copy(update={"weights": "none"})
    network = members.build(section, 0, classes, None).to(compute.device)
    side = params.model.input_px
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad])

    def step(size: int) -> None:
        network.train()
        with compute.autocast():
            loss = network(torch.rand(size, 3, side, side, device=compute.device)).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return network, step, _forward(network, side, compute)


def _detector(
    params: Any,  # noqa: ANN401
    prior: Any,  # noqa: ANN401
    compute: Any,  # noqa: ANN401
    boxes_per_tile: int,
) -> tuple[Any, Callable[[int], None], Callable[[int], None]]:
    import numpy as np
    import torch

    from counterpoise.dataset.box_truth import Truth
    from counterpoise.detection import building, task_weights
    from counterpoise.detection.teaching import Lesson
    from counterpoise.training import box_objective
    from counterpoise.training.box_teaching import Combined
    from counterpoise.training.tasks import detection

    goal, _ = box_objective.build(prior, params)
    side = params.model.input_px
    sides = np.random.default_rng(0).uniform(0.05, 0.5, (1000, 2)) * side
    first = params.model.freeze_first if params.model.freeze == "first_n" else 0
    detector = building.build(detection.plan(prior, params, sides), "none", 0, first)
    weights = task_weights.find(params.detector.task_weights)
    network = Combined(detector, weights.build(list(cast("Sequence[str]", detector.KEYS)), weights.Params())).to(
        compute.device
    )
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=1e-6)
    generator = torch.Generator().manual_seed(0)

    def truth() -> Truth:
        corner = torch.rand(boxes_per_tile, 2, generator=generator) * 0.7 * side
        boxes = torch.cat([corner, corner + (0.1 + 0.2 * torch.rand(boxes_per_tile, 2, generator=generator)) * side], 1)
        labels = torch.randint(len(prior.classes), (boxes_per_tile,), generator=generator)
        return Truth(boxes, labels, torch.empty(0, 4)).to(compute.device)

    def step(size: int) -> None:
        network.train()
        images = torch.rand(size, 3, side, side, device=compute.device)
        with compute.autocast():
            loss = network(images, [truth() for _ in range(size)], Lesson(goal.values, generator, 0.5))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def forward(size: int) -> None:
        network.eval()
        with torch.inference_mode(), compute.autocast():
            network(torch.rand(size, 3, side, side, device=compute.device))

    return network, step, forward


if __name__ == "__main__":
    print(json.dumps(asdict(main(Path(sys.argv[1]), int(sys.argv[2])))))
