"""Images per second of a frozen backbone on a CPU, in PyTorch and in ONNX Runtime.

Run `python benchmarks/embedding.py` from the top of the repository. It takes a minute or two, downloads nothing, and
writes only to a temporary folder: 512 random tiles of 300 px, half JPEG and half PNG. Three networks with the same
weights compute features at 160 px, in batches of 64; the loader's processes decode the tiles each time:

- `eager`: PyTorch with weights and images channels first, its default;
- `channels last`: PyTorch with weights and images channels last, which we use where ONNX Runtime cannot serve;
- `onnx`: the graph that `networks/inference.freeze` returns. Its export is timed separately.

After one warm-up round, five rounds alternate between the networks. The script prints median images per second, the
median over rounds of the ratio to channels last, and the largest difference to channels last. Other work on the machine
makes single rounds noisy; ratios within a round are steadier.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterpoise.artifacts import tiles
from counterpoise.dataset.inputs import TileInputs, infer
from counterpoise.networks import backbones, devices, inference
from training import Setup, write_tiles

ROUNDS, BATCH_SIZE = 5, 64
Array = NDArray[np.float32]


class ChannelsFirst(nn.Module):
    """Give a network its images channels first, which our batches are not."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, s, s) to features (n, d)."""
        features: Tensor = self.network(images.contiguous())
        return features


def tile_inputs(root: Path, backbone: str, input_px: int) -> TileInputs:
    part = tiles.read(root, "train")
    count = len(part.table)
    return TileInputs(
        tiles=part,
        rows=np.arange(count),
        views=np.zeros(count, dtype=np.int64),
        input_px=input_px,
        policy="none",
        seed=0,
        on_the_fly="none",
        backbone=backbone,
    )


def measure(networks: dict[str, nn.Module], inputs: TileInputs) -> tuple[dict[str, list[float]], dict[str, Array]]:
    """Return images per second of each network in each round, and its features."""
    compute = devices.pick("cpu", "float32")
    speeds: dict[str, list[float]] = {name: [] for name in networks}
    features: dict[str, Array] = {}
    for number in range(ROUNDS + 1):
        for name, network in networks.items():
            start = time.perf_counter()
            features[name] = infer(network, inputs, BATCH_SIZE, compute)
            if number:
                speeds[name].append(len(inputs) / (time.perf_counter() - start))
    return speeds, features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0", help="a timm model; its weights are random")
    parser.add_argument("--input-px", type=int, default=160, help="side of the square that the network sees")
    parser.add_argument("--tiles", type=int, default=512, help="how many tiles to draw")
    arguments = parser.parse_args()
    name, input_px = arguments.backbone, arguments.input_px
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_tiles(root, Setup(tiles=arguments.tiles, tile_px=300))
        backbone = backbones.build_backbone(name, "none", 0).eval()
        start = time.perf_counter()
        graph = inference.freeze(backbone, name, input_px, devices.pick("cpu", "float32"))
        print(
            f"{torch.get_num_threads()} threads; export, load and check of {name}: {time.perf_counter() - start:.1f} s"
        )
        networks: dict[str, nn.Module] = {
            "eager": ChannelsFirst(copy.deepcopy(backbone)),
            "channels last": copy.deepcopy(backbone).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            "onnx" if inference.runtime(graph) == "onnxruntime" else "onnx, not exported": graph,
        }
        speeds, features = measure(networks, tile_inputs(root, name, input_px))
    usual = "channels last"
    print(f"{'':20}{'images/s':>10}{'ratio':>8}{'largest difference':>20}")
    for label, values in speeds.items():
        ratio = statistics.median(one / other for one, other in zip(values, speeds[usual], strict=True))
        difference = float(np.abs(features[label] - features[usual]).max())
        print(f"{label:20}{statistics.median(values):10.0f}{ratio:8.2f}{difference:20.1e}")
    print(f"the largest feature is {np.abs(features[usual]).max():.3g}")


if __name__ == "__main__":
    main()
