"""Where a built model lies, and whether it is one that this version of counterpoise can use."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterpoise import config, storage
from counterpoise.artifacts import decision, model
from counterpoise.config import InputError

EXPORTED = ("model.onnx", "model.json")
"""Files of a folder that `counterpoise export` writes."""


def locate(stated: str) -> Path:
    """Find the repository of a model from what a person names: its top, or the folder `models/model` in it.

    Raises:
        InputError: It is no folder, empty, unreadable, an exported model, or no repository of counterpoise.
    """
    folder = Path(stated)
    what = f"--model {stated}"
    wanted = "name the top of a repository in which the pipeline was built, where params.yaml lies"
    if not folder.is_dir():
        raise InputError(f"{what} {'is a file' if folder.exists() else 'does not exist'}; {wanted}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(f"{what} cannot be read by this user; change its permissions, or {wanted}")
    if all((folder / name).is_file() for name in EXPORTED):
        raise InputError(
            f"{what} is a model that `counterpoise export` wrote, for programs without counterpoise; to use it here, "
            f"{wanted}"
        )
    if _top(folder) != folder:
        return _top(folder)
    if not any(folder.iterdir()):
        raise InputError(f"{what} is empty; {wanted}")
    if not (folder / config.PATH).is_file():
        raise InputError(f"{what} holds no model of counterpoise, as there is no {config.PATH}; {wanted}")
    return folder


@contextmanager
def naming(stated: str | None) -> Iterator[None]:
    """Let messages about a model say where it lies, unless that is the current folder.

    Paths in them start from there, as the commands that they name run there.

    Args:
        stated: As `--model` names it.
    """
    try:
        yield
    except (InputError, storage.ArtifactError) as error:
        if stated is None:
            raise
        said = str(error).replace(f"{_top(Path(stated))}{os.sep}", "")
        raise type(error)(f"in {stated}, which --model names: {said}") from error


def _top(folder: Path) -> Path:
    """Give the top of the repository: the folder, unless that is the model in it."""
    is_model = folder.resolve().parts[-2:] == Path(model.FOLDER).parts and not (folder / config.PATH).exists()
    return folder / ".." / ".." if is_model else folder


def check_version(root: Path) -> None:
    """Refuse a model or a decision that is undamaged, but written by another version of counterpoise.

    Raises:
        InputError: One of them has other fields than this version writes.
        ArtifactError: One of them is missing or damaged.
    """
    card = storage.read_json(root / model.CARD, root / model.SUMS)
    kind = model.DetectorCard if isinstance(card, dict) and "detector" in card else model.Card
    _check_fields(model.CARD, card, kind)
    if (root / decision.PATH).exists():
        chosen = storage.read_json(root / decision.PATH, root / decision.SUMS)
        _check_fields(decision.PATH, chosen, decision.Decision, optional={"boxes"})


def _check_fields(path: str, content: object, kind: type[Any], optional: Set[str] = frozenset()) -> None:
    keys = {field.name for field in dataclasses.fields(kind)}
    found = set(content) if isinstance(content, dict) else set()
    if missing := sorted(keys - found - optional):
        fault = f"lacks {missing}"
    elif unknown := sorted(found - keys):
        fault = f"also has {unknown}"
    else:
        return
    raise InputError(
        f"{path} {fault}, so another version of counterpoise wrote it; run `dvc repro` to build the model with this "
        "version, or install the one that built it"
    )


def check_task(content: Mapping[str, Any], card: model.Card, decided: decision.Decision | None) -> None:
    """Refuse a model that was built for another task, or a decision for other classes.

    Args:
        content: Checked parameters of its repository.
        card: Of the model.
        decided: Its decision, where there is one.

    Raises:
        InputError: They do not belong together.
    """
    if content["task"] != card.task:
        raise InputError(
            f"{config.PATH}: task is {content['task']!r}, but the model is of task {card.task!r}; run `dvc repro`"
        )
    if decided is not None and (decided.task, decided.classes) != (card.task, card.classes):
        raise InputError(
            f"{decision.PATH} is of task {decided.task!r} with classes {list(decided.classes)}, but the model is of "
            f"task {card.task!r} with classes {list(card.classes)}; run `dvc repro`"
        )
