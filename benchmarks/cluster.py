"""Seconds of stages on two Ray nodes beside those of one machine, and after a node was killed.

Run `python benchmarks/cluster.py DIR` with the extra `ray`. DIR is a built clone, whose outputs are written again and
come out the same. The nodes are processes of this machine that meet on a loopback address, with a CPU each, so that
both engines compute with two CPUs: what differs is the price of the cluster, and not its gain. Then `embed` runs once
more, and one node is killed after half of the batches.

The script prints the median of the rounds for each, whether tiles have the same bytes, and the largest difference
between features.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ray.cluster_utils import Cluster

from counterpoise import config, storage
from counterpoise.artifacts import features, splits, tiles

HOST = "127.0.0.2"
"""Ray takes 127.0.0.1 for the address of this machine in its network, which another loopback address is not."""
Meanwhile = Callable[[subprocess.Popen[bytes]], None]
NODE = {"node_ip_address": HOST, "num_cpus": 1, "object_store_memory": 200 * 2**20}


def run(
    root: Path, stage: str, address: str | None, meanwhile: Callable[[subprocess.Popen[bytes]], None] | None = None
) -> float:
    """Run a stage on a cluster, or without an address on this machine, and return its seconds."""
    engine = {"COUNTERPOISE_ENGINE": "local", "COUNTERPOISE_CPUS": "2"}
    if address:
        engine = {"COUNTERPOISE_ENGINE": "ray", "RAY_ADDRESS": address}
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", f"counterpoise.stages.{stage}"],
        cwd=root,
        env={**os.environ, **engine},
        stderr=subprocess.DEVNULL,
    )
    if meanwhile:
        meanwhile(process)
    if process.wait():
        sys.exit(f"{stage} failed in {root}; run `python -m counterpoise.stages.{stage}` there to see why")
    return time.perf_counter() - began_s


def kept(root: Path) -> int:
    """Count the batches that an unfinished `embed` has kept."""
    return sum(len(log.read_bytes().splitlines()) for log in root.glob(".checkpoints/embed-*/log"))


def of_tiles(root: Path) -> list[str]:
    """Return the checksums of all tiles."""
    folders = [root / tiles.path(split) for split in splits.NAMES]
    return [storage.checksum_of(file) for folder in folders for file in sorted(folder.iterdir())]


def of_features(root: Path) -> NDArray[np.float32]:
    """Copy the features of all splits."""
    found = [features.read(root, split) for split in splits.NAMES]
    return np.concatenate([own.values for own in found if own is not None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("root", type=Path, help="a built clone")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    arguments = parser.parse_args()
    root, rounds = arguments.root.absolute(), range(arguments.rounds)
    expected, computed = of_tiles(root), of_features(root)
    half = len(computed) / config.load(root)["embed"]["batch_size"] / 2
    seconds: dict[str, list[float]] = {}
    differences = []
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    cluster.add_node(**NODE)
    for _ in rounds:
        for stage in ("tile", "embed"):
            seconds.setdefault(f"{stage}, one machine", []).append(run(root, stage, None))
            seconds.setdefault(f"{stage}, two nodes", []).append(run(root, stage, cluster.address))
            if stage == "tile" and of_tiles(root) != expected:
                sys.exit("tiles have other bytes")
        differences.append(np.abs(of_features(root) - computed).max())

        def kill(process: subprocess.Popen[bytes]) -> None:
            while kept(root) < half and process.poll() is None:
                time.sleep(0.05)
            cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)

        seconds.setdefault("embed, a node killed", []).append(run(root, "embed", cluster.address, kill))
        differences.append(np.abs(of_features(root) - computed).max())
        cluster.add_node(**NODE)
    cluster.shutdown()
    print("| stage | seconds |\n|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {statistics.median(values):.1f} |")
    print(f"\nTiles have the same bytes. Features differ by at most {max(differences):.1g}.")


if __name__ == "__main__":
    main()
