"""ELPV: 2,624 solar cells in electroluminescence, labelled by how sure annotators were of a defect.

Images: CC BY-NC-SA 4.0. Source: Deitsch et al. (2019), Automatic classification of defective photovoltaic module cells
in electroluminescence images, Solar Energy 185; Buerhop-Lutz et al. (2018), A benchmark for visual identification of
defective solar cells in electroluminescence imagery.
"""

from __future__ import annotations

import csv
import shutil
from importlib import util
from pathlib import Path

from counterpoise.config import InputError

CLASSES = {0: "functional", 1: "probably_functional", 2: "probably_defective", 3: "defective"}
"""Class by the annotated probability of a defect, in thirds."""

NOTICE = """ELPV: a benchmark for visual identification of defective solar cells in electroluminescence imagery.
Images (c) ZAE Bayern, licence CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/).
Cite: Buerhop-Lutz et al. (2018), EU PVSEC, doi 10.4229/35thEUPVSEC20182018-5CV.3.15;
Deitsch et al. (2019), Solar Energy 185, doi 10.1016/j.solener.2019.02.067.
Written by `counterpoise.stages.demo` from the Python package elpv-dataset; the classes are the four annotated
probabilities of a defect (0, 1/3, 2/3, 1) by name.
"""


def write(folder: Path) -> None:
    """Copy the images out of the package and write `labels.csv` (image, label, cell_type).

    Args:
        folder: An empty folder.

    Raises:
        InputError: The package is not installed.
    """
    package = util.find_spec("elpv_dataset")
    if package is None or package.origin is None:
        raise InputError(
            "demo.name is 'elpv', but elpv-dataset is not installed; run `pip install 'counterpoise[demo]'`"
        )
    data = Path(package.origin).parent / "data"
    (folder / "images").mkdir()
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "label", "cell_type"])
        for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines():
            image, probability, cell_type = line.split()
            shutil.copyfile(data / image, folder / image)
            table.writerow([image, CLASSES[round(3 * float(probability))], cell_type])
    (folder / "NOTICE.txt").write_text(NOTICE, encoding="utf-8")
