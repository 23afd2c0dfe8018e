"""How much memory the decoding of one large image takes, beside the bound that `samples` computes from its header.

    python benchmarks/decoding.py

Each image is made in a temporary folder and decoded in a process of its own, as `ingest` does: values, picture,
thumbnail. Images above the bound are refused before they are decoded.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from counterpoise import images
from counterpoise.dataset import pixels
from counterpoise.images import samples


def make(folder: Path) -> None:
    """Write the images: each of some 64 megapixels, and one that is too large."""
    grey = np.tile(np.arange(8000, dtype=np.uint16) % 4096, (8000, 1))
    rgb = np.dstack([(grey >> shift).astype(np.uint8) for shift in (0, 2, 4)])
    Image.fromarray(rgb).save(folder / "rgb.png", compress_level=1)
    Image.fromarray(rgb).save(folder / "rgb.jpg")
    Image.fromarray(rgb).save(folder / "progressive.jpg", progressive=True)
    Image.fromarray(rgb[..., 0]).save(folder / "grey.png", compress_level=1)
    cv2.imwrite(str(folder / "16_bits.png"), grey)
    tifffile.imwrite(folder / "16_bits.tif", grey)
    tifffile.imwrite(folder / "16_bits_lzw.tif", grey, compression="lzw")
    tifffile.imwrite(folder / "rgb_16_bits.tif", np.dstack([grey] * 3), photometric="rgb", compression="deflate")
    tifffile.imwrite(folder / "float.tif", grey.astype(np.float32))
    Image.new("L", (22_000, 22_000)).save(folder / "bomb.png")


def peak_bytes() -> int:
    """Read the peak of this process's resident memory off Linux (`getrusage` counts that of its parent, too)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def measure(path: Path) -> None:
    """Decode one image and print what it took."""
    images.decode(images.encode_png(np.zeros((4, 4, 3), dtype=np.uint8)))  # imports count before
    before = peak_bytes()
    try:
        with samples.room_for(path):
            bound = samples.MAX_SHARED_BYTES - samples._BUDGET.free
            values = samples.read(path.read_bytes())
            found = pixels.settle([pixels.look(values)], stated_range=None, stated_bands=(), background="auto")
            images.thumbnail(images.render(values, found))
        said = f"bound {bound / 2**20:5.0f} MiB"
    except images.ImageError as error:
        said = str(error)
    took = (peak_bytes() - before) / 2**20
    print(f"{path.name:16s} file {path.stat().st_size / 1e6:6.1f} MB, took {took:5.0f} MiB; {said}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            make(Path(name))
            for image in sorted(Path(name).iterdir()):
                subprocess.run([sys.executable, __file__, str(image)], check=True)
