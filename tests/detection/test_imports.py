"""What the wing says of its switches can be read without torch, so that `check` stays fast."""

import subprocess
import sys

CODE = """
import importlib, pkgutil, sys
from counterpoise import detection
for module in pkgutil.walk_packages(detection.__path__, "counterpoise.detection."):
    importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("counterpoise.detection.")]))
print(sorted({"torch", "torchvision", "timm", "scipy", "pandas", "sklearn"} & set(sys.modules)))
"""


def test_every_file_of_the_switches_is_read_without_torch() -> None:
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout.split("\n")
    assert int(found[0]) > 30
    assert found[1] == "[]"
