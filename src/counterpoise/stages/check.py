"""Check names, types, ranges and combinations of all parameters before other stages run.

Reads `params.yaml`. Writes `results/params.ok`, whose content never changes, so a check reruns no other stage.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from counterpoise import config, conflicts, demos, losses, sources, stages
from counterpoise.artifacts import params_ok
from counterpoise.config import PATH, InputError, Section, suggest
from counterpoise.conflicts import data
from counterpoise.dataset import augmentation
from counterpoise.detection import adversaries, box_losses, detectors, necks, prime, proposals, samplers, task_weights
from counterpoise.detection.settings import Detector
from counterpoise.networks import outlines, pretrained

SHARED: dict[str, type[Section] | None] = {
    "task": None,
    "loss": None,
    "seed": None,
    "model": config.Model,
    "weighting": config.Weighting,
    "losses": None,
    "box_loss": None,
    "box_losses": None,
    "detector": Detector,
}
"""Top-level keys of `params.yaml` that are not named after a stage."""
SWITCHES = {
    "name": detectors,
    "neck": necks,
    "sampler": samplers,
    "proposals": proposals,
    "prime": prime,
    "task_weights": task_weights,
    "adversary": adversaries,
}
"""Keys of section `detector` that name a file of an open set."""
_DOTTED = re.compile(r"\b(?:[a-z_]+(?:\.\w+)+|loss|task|seed)\b")
"""Pattern of a parameter name in a message."""
_ABSENT = object()
NEVER_UNDONE = re.compile(r"(?:demo|ingest)(?:\.|$)|evaluate\.positive$")
"""Parameters of your own data; their values in the last commit may be those of the demo."""
SAYS_WHAT_TO_WRITE = ("did you mean", "write it")
"""An error with one of these needs no former value."""
BROUGHT = "data/raw"
"""Where people are asked to put their images, a folder for each set."""
LONGEST_LINE = 2000
"""Characters of a fault that are shown."""


def sections() -> dict[str, type[Section]]:
    """Find every section of `params.yaml` that is named after a stage, and its model."""
    by_name = {}
    for module in pkgutil.iter_modules(stages.__path__):
        params = getattr(importlib.import_module(f"{stages.__name__}.{module.name}"), "Params", None)
        if params is not None and module.name in params.model_fields:
            by_name[module.name] = params.model_fields[module.name].annotation
    return by_name


def problems(content: Mapping[str, Any]) -> list[str]:
    """List all errors in a parameter file.

    Args:
        content: Content of the file, from `config.load`.

    Returns:
        A line for each error: where, what was found, what was expected, what to do. Combinations are checked only if
        every single value is valid.
    """
    own = sections()
    known = {**SHARED, **own}
    unknown = [name for name in content if name not in known]
    faults = [f"{PATH}: {name} is not a section; {_place(name, known)}" for name in unknown[: config.MOST_FAULTS]]
    faults = config.shorten(faults, len(unknown) - config.MOST_FAULTS)
    faults += [f"{PATH}: section {name} is missing; add it" for name in known if name not in content]
    for name, section in known.items():
        if name in content and section is not None:
            faults += _faults(section, content[name], name)
    if not faults:
        faults += [line for module in _stage_params() for line in _faults(module, _part(module, content), "")]
    if not faults:
        faults += _names(content)
    faults = [_with_names(line, content) for line in faults]
    return list(dict.fromkeys(faults)) or list(conflicts.refused(content))  # several stages may refuse one key


def _place(name: str, known: Mapping[str, type[Section] | None]) -> str:
    """Say where a key belongs that is at the top of the file."""
    key = name.rpartition(".")[2]
    for owner, section in known.items():
        if section is not None and key in section.model_fields and name in (key, f"{owner}.{key}"):
            return f"write it as `{key}:` under `{owner}:`"
    return suggest(name, known)


def _with_names(fault: str, content: Mapping[str, Any]) -> str:
    """List the names that a parameter accepts where an error would only ask for text."""
    for where, expected in _choices().items():
        value = _value(content, where)
        if not isinstance(value, str) and fault.startswith(f"{PATH}: {where} is ") and "expected text" in fault:
            return f"{PATH}: {where} is {config.written(value)}; {suggest(value, expected)}"
    return fault


def _choices() -> dict[str, list[str]]:
    """Map every parameter that names a function or a file of the package to the names there are."""
    policies = list(augmentation.POLICIES)
    return {
        "loss": losses.names(),
        "ingest.source": sources.names(),
        "demo.name": ["none", *demos.names()],
        "box_loss": box_losses.names(),
        **{f"detector.{switch}": members.names() for switch, members in SWITCHES.items()},
        "oversample.policy": policies,
        "train.augment": policies,
    }


def _stage_params() -> Iterator[type[Section]]:
    for module in pkgutil.iter_modules(stages.__path__):
        params = getattr(importlib.import_module(f"{stages.__name__}.{module.name}"), "Params", None)
        if params is not None:
            yield params


def _part(params: type[Section], content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: content[key] for key in params.model_fields if key in content}


def _faults(section: type[Section], content: object, where: str) -> list[str]:
    if not isinstance(content, Mapping):
        keys = list(section.model_fields)
        return [f"{PATH}: {where} is {config.written(content)}; expected a section with the keys {keys}"]
    try:
        config.validate(section, content, where)
    except InputError as error:
        return str(error).splitlines()
    return []


def _names(content: Mapping[str, Any]) -> list[str]:
    """Check the names of losses, sources, demo sets and policies, and the parameters of each."""
    ingest = content["ingest"]
    choices = _choices() | {
        "loss": list(content["losses"]),
        "box_loss": list(content["box_losses"]),
        "ingest.source": list(ingest["sources"]),
    }
    known_losses, known_sources = losses.names(), sources.names()
    names = [
        *((where, _value(content, where), expected) for where, expected in choices.items()),
        *((f"losses.{name}", name, known_losses) for name in content["losses"]),
        *((f"box_losses.{name}", name, box_losses.names()) for name in content["box_losses"]),
        *((f"ingest.sources.{name}", name, known_sources) for name in ingest["sources"]),
        *_options_named(content["detector"]["options"]),
    ]
    wrong = [entry for entry in names if entry[1] not in entry[2]]
    if wrong:
        shown = [
            f"{PATH}: {where} is {name!r}; {suggest(name, expected)}"
            for where, name, expected in wrong[: config.MOST_FAULTS]
        ]
        return config.shorten(shown, len(wrong) - config.MOST_FAULTS)
    faults: list[str] = []
    for name, block in content["losses"].items():
        faults += _faults(losses.module(name).Params, block, f"losses.{name}")
    for name, block in ingest["sources"].items():
        faults += _faults(sources.find(name).Params, block, f"ingest.sources.{name}")
    for name, block in content["box_losses"].items():
        faults += _faults(box_losses.find(name).Params, block, f"box_losses.{name}")
    for switch, blocks in content["detector"]["options"].items():
        for name, block in blocks.items():
            faults += _faults(SWITCHES[switch].find(name).Params, block, f"detector.options.{switch}.{name}")
    return faults


def _options_named(options: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the place of each option of a switch, the value that it is for, and the values there are."""
    for switch, blocks in options.items():
        for name in blocks:
            yield f"detector.options.{switch}.{name}", name, SWITCHES[switch].names()


def missing(root: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """Name images and weights that are not there, and folders that lead into an output of the pipeline by a link."""
    for section, key in data.BRINGS:
        place = content[section][key]
        real = (root / place).resolve()
        if real != root.resolve() / place and real.is_relative_to(root.resolve()):
            real_place = real.relative_to(root.resolve()).as_posix()
            yield from data.mixed_with_outputs(f"{section}.{key}", place, content["demo"]["name"], real_place)
    yield from _no_folder(root, content)
    weights = content["model"]["weights"]
    if not (root / pretrained.path(weights)).exists() and weights not in pretrained.KINDS:
        yield (
            f"{PATH}: model.weights is {weights!r}, but {pretrained.path(weights)} does not exist; put the file there, "
            f"and `dvc add` it, or set model.weights to one of {list(pretrained.KINDS)}"
        )


def _no_folder(root: Path, content: Mapping[str, Any]) -> Iterator[str]:
    """Say that `ingest.root` is missing, which folders there are, and which presets ask for it."""
    place = content["ingest"]["root"]
    own = PurePosixPath(place) == PurePosixPath(demos.FOLDER) and content["demo"]["name"] != "none"
    if own or (root / place).is_dir():
        return
    tracked = [
        f"{folder}.dvc" for folder in (place, *PurePosixPath(place).parents) if (root / f"{folder}.dvc").exists()
    ]
    if tracked:
        yield (
            f"{PATH}: ingest.root is {place!r}, which {tracked[0]} tracks, but it is not there; bring it back with "
            f"`dvc checkout {tracked[0]}`, or with `dvc pull {tracked[0]}` from your remote storage"
        )
        return
    there = sorted(path.name for path in (root / BROUGHT).glob("*/")) if (root / BROUGHT).is_dir() else []
    listed = f"; {BROUGHT} has {there[:6]}" if there else ""
    presets = [
        f"presets/{path.name}"
        for path in sorted((root / "presets").glob("*.yaml"))
        if config.parse(path.read_text(encoding="utf-8"))["ingest"]["root"] == place
    ]
    asked = f" ({' and '.join(presets)} set it, for images that you bring)" if presets else ""
    kind = "that is a file, not a folder" if (root / place).exists() else "there is no such folder"
    yield (
        f"{PATH}: ingest.root is {place!r}, but {kind}{asked}; put your images there, or set ingest.root to the folder "
        f"where they are{listed}"
    )


def undo(root: Path, content: Mapping[str, Any], faults: Sequence[str]) -> Iterator[str]:
    """Say how to undo each uncommitted change that a fault names, without losing other changes.

    Args:
        root: The repository.
        content: Content of the file, from `config.load`.
        faults: Errors, from `problems`.

    Yields:
        A line for each parameter that is named in an error and has another value in the last commit. Nothing without
        git, without a commit of `params.yaml`, for parameters of your own data, and for errors that say what to write.
    """
    committed = _committed(root)
    unsolved = [fault for fault in faults if not any(words in fault for words in SAYS_WHAT_TO_WRITE)]
    for name in dict.fromkeys(_DOTTED.findall("\n".join(unsolved))):
        before, now = _value(committed, name), _value(content, name)
        if NEVER_UNDONE.match(name) or before is _ABSENT or before == now or isinstance(before, Mapping):
            continue
        *owner, key = name.split(".")
        line = yaml.safe_dump({key: before}, default_flow_style=True, width=math.inf, allow_unicode=True).strip()[1:-1]
        place = f" in section `{'.'.join(owner)}`" if owner else ""
        yield f"To undo only the change of {name}, write `{line}`{place} again, as in the last commit."


def _committed(root: Path) -> Mapping[str, Any]:
    """Read the parameters of the last commit; empty if there are none."""
    command = ["git", "show", f"HEAD:./{PATH}"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=True)
        return config.parse(done.stdout)
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError, InputError):
        return {}


def _value(content: object, name: str) -> object:
    for part in name.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return _ABSENT
        content = content[part]
    return content


def _cut(line: str) -> str:
    """Keep a line readable that shows a value of thousands of characters."""
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."


def main(root: Path) -> None:
    """Check all parameters, and write `results/params.ok`.

    Raises:
        InputError: A parameter is wrong. The message says how to undo the change that caused it.
    """
    content = config.load(root)
    outlines.recall(root)
    faults = [_cut(line) for line in problems(content)] or list(missing(root, content))
    outlines.keep(root)
    if faults:
        raise InputError("\n".join([*faults, *undo(root, content, faults), f"Fix {PATH} and run `dvc repro` again."]))
    params_ok.write(root)


if __name__ == "__main__":
    with stages.ending_in_words():
        main(Path.cwd())
