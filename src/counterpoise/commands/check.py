"""`counterpoise check`: whether parameters and data fit together, and what a run will take."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise import commands
from counterpoise.config import InputError

if TYPE_CHECKING:
    from counterpoise.planning.estimates import Estimate
    from counterpoise.planning.rehearsal import Rehearsal

HELP = "check params.yaml on your data, and estimate time, memory and disk"
GROUP = "Start"
EXAMPLES = (
    ("counterpoise check", "everything, in seconds"),
    ("counterpoise check --no-timing", "without running the network, so without an estimate"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is left out."""
    parser.add_argument("--no-timing", action="store_true", help="estimate nothing")


def run(arguments: argparse.Namespace) -> str:
    """Check the repository in the current folder.

    Raises:
        InputError: A parameter is wrong, or a stage would refuse the data; what was found is printed before.
    """
    from counterpoise.planning import estimates, priors, rehearsal, survey
    from counterpoise.stages import check, count_of

    root = Path.cwd()
    content = commands.checked_params(root)
    if faults := list(check.missing(root, content)):
        raise InputError("\n".join(faults))
    with _data(root, content) as (place, demo_s):
        found = survey.survey(place, content)
        estimate = None
        lines = [
            "parameters: no faults",
            f"data: {count_of(len(found.data.manifest), 'image')} of {content['ingest']['root']}; "
            f"{found.looked_at} were decoded ({found.data.pixels.found})",
        ]
        try:
            rehearsed = rehearsal.rehearse(found, content)
            lines += ["", *_classes(rehearsed), ""]
            if not arguments.no_timing:
                estimate = estimates.estimate(place, content, found, rehearsed, root, demo_s)
        except estimates.NotTimedError as error:
            lines += [f"no estimate: {error}"]
        except InputError:
            print("\n".join(lines))
            raise
    warnings = [*found.warnings, *rehearsed.warnings, *priors.contradictions(content, rehearsed)]
    if estimate is not None:
        lines += [*estimates.lines(estimate), "", *_resources(estimate)]
    lines += [f"WARNING: {line}" for line in dict.fromkeys(warnings)]
    if estimate is not None and (faults := list(_exceeded(estimate))):
        print("\n".join(lines))
        raise InputError("\n".join(faults))
    return "\n".join(lines)


@contextmanager
def _data(root: Path, content: Mapping[str, Any]) -> Iterator[tuple[Path, float]]:
    """Give the repository; while its demo set is not written yet, a folder with it, and the seconds that took."""
    from counterpoise import config, demos
    from counterpoise.stages import demo

    if (root / content["ingest"]["root"]).is_dir() and not _is_empty_demo(root, content):
        yield root, 0.0
        return
    with tempfile.TemporaryDirectory() as folder:
        params = config.validate(demo.Params, {"demo": content["demo"]}).demo
        (Path(folder) / demos.FOLDER).mkdir(parents=True)
        began_s = time.perf_counter()
        demos.write(params.name, Path(folder) / demos.FOLDER, dict(params))
        yield Path(folder), time.perf_counter() - began_s


def _is_empty_demo(root: Path, content: Mapping[str, Any]) -> bool:
    from counterpoise import demos

    return content["ingest"]["root"] == demos.FOLDER and not any((root / demos.FOLDER).iterdir())


def _classes(found: Rehearsal) -> list[str]:
    """Write how many images of each class are in each split."""
    import sys

    width = max(len("class"), *(len(name) for name in found.names[:30]))
    sides = ("train", "val", "test")
    rows = [commands.bold(f"{'class':<{width}}  " + "  ".join(f"{side:>6}" for side in sides), sys.stdout)]
    for index, name in enumerate(found.names[:30]):
        rows.append(f"{name:<{width}}  " + "  ".join(f"{found.counts[side][index]:>6}" for side in sides))
    if len(found.names) > 30:
        rows.append(f"and {len(found.names) - 30} more classes")
    rows.append(f"{'images':<{width}}  " + "  ".join(f"{found.images[side]:>6}" for side in sides))
    return [*rows, f"class that matters: {found.positive.name}, {found.positive.reason}"]


def _resources(found: Estimate) -> list[str]:
    """Say what a whole run takes, and where the rates are from."""
    from counterpoise.planning import estimates

    peak = max(stage.memory_bytes for stage in found.stages)
    device = f", {found.rates.device_bytes / 2**30:.1f} GiB on the device" if found.rates.device_bytes else ""
    return [
        f"`dvc repro` from nothing: {estimates.in_words(found)}; at most {peak / 2**30:.1f} GiB of memory in one "
        f"process{device}; {found.disk_bytes / 2**30:.2f} GiB of disk with DVC's cache, of which "
        f"{found.free_bytes / 2**30:.0f} GiB are free",
        f"rates were timed just now, in {found.took_s:.0f} s: {found.rates.start_s:.1f} s to start PyTorch, "
        f"{1000 * found.rates.forward_s:.1f} ms to predict a tile; while other programs run, they are slower",
    ]


def _exceeded(found: Estimate) -> Iterator[str]:
    """Say what this machine has not."""
    peak = max(found.stages, key=lambda stage: stage.memory_bytes)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if peak.memory_bytes > there:
        yield (
            f"stage {peak.name!r} needs about {peak.memory_bytes / 2**30:.1f} GiB of memory, and this machine has "
            f"{there / 2**30:.1f}; lower its batch size (train.accumulate splits one), or model.input_px"
        )
    if found.rates.device_bytes > found.rates.device_free_bytes > 0:
        yield "the memory of the device does not suffice; lower train.batch_size, or raise train.accumulate"
    if found.disk_bytes > found.free_bytes:
        yield (
            f"a run needs about {found.disk_bytes / 2**30:.1f} GiB of disk, and {found.free_bytes / 2**30:.1f} are "
            "free; free some space, or set tile.format to jpeg"
        )
