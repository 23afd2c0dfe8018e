"""How long the search for near duplicates takes, and its peak memory, where fixed cameras take most of the images.

    python benchmarks/near_duplicates.py [IMAGES ...] [--noise LEVELS] [--scenes N]

Images are thumbnails of a few scenes, each with noise of its own; 2,000, 10,000 and 50,000 of them, one process each.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from counterpoise.dataset import near_duplicates
from counterpoise.images import THUMBNAIL_PX


def thumbnails(count: int, scenes: int, noise: float) -> np.ndarray:
    """Make `count` noisy thumbnails of `scenes` scenes, uint8 (count, 32, 32)."""
    rng = np.random.default_rng(0)
    size = (scenes, THUMBNAIL_PX, THUMBNAIL_PX)
    scene = np.cumsum(np.cumsum(rng.normal(size=size), axis=1), axis=2)
    low, high = (f(scene, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    scene = 20 + 215 * (scene - low) / (high - low)
    found = np.empty((count, *size[1:]), dtype=np.uint8)
    for number in range(count):
        found[number] = np.clip(scene[number % scenes] + rng.normal(scale=noise, size=size[1:]), 0, 255).round()
    return found


def measure(count: int, scenes: int, noise: float) -> None:
    """Search once and print what it took."""
    pictures = thumbnails(count, scenes, noise)
    began = time.perf_counter()
    found = near_duplicates.find_duplicates(pictures, [str(number) for number in range(count)])
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:6d} images of {scenes} scenes, noise {noise:g}: {seconds:5.1f} s, peak {peak:4.0f} MiB, "
        f"{found.cluster.max() + 1} clusters, {len(found.crossing)} crossing pairs",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=int, default=[2_000, 10_000, 50_000])
    parser.add_argument("--noise", type=float, default=4.0)
    parser.add_argument("--scenes", type=int, default=10)
    chosen = parser.parse_args()
    if len(chosen.images) == 1:
        measure(chosen.images[0], chosen.scenes, chosen.noise)
    else:
        for images in chosen.images:
            again = [f"--noise={chosen.noise}", f"--scenes={chosen.scenes}"]
            subprocess.run([sys.executable, __file__, str(images), *again], check=True)
