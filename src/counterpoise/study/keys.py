"""Dotted names of parameters, and the names of what is kept: digests of all that decides it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import counterpoise


def leaves(content: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """List the dotted names of all parameters, and of the mappings that a parameter may be."""
    for key, value in content.items():
        yield above + key
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{key}.")


def declared(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """List the dotted names of what a set of parameters declares, down to what is no section."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from declared(field.annotation, f"{above}{name}.")
        else:
            yield above + name


def within(key: str, owner: str) -> bool:
    """Say whether a parameter is another one, or lies in it."""
    return key == owner or key.startswith(f"{owner}.")


def digest(decides: object) -> str:
    """Name something after all that decides it, in 32 hex digits; of equal content the name is equal."""
    text = json.dumps(decides, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def digest_of_code(code: tuple[str, ...], packages: tuple[str, ...]) -> str:
    """Hash files and folders of this package, and the versions of other packages."""
    root, found = Path(counterpoise.__file__).parent, hashlib.sha256()
    files = sorted(
        file for own in code for file in ((root / own).rglob("*.py") if (root / own).is_dir() else [root / own])
    )
    for file in files:
        found.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    for name in packages:
        found.update(f"{name} {importlib.metadata.version(name)}\0".encode())
    return found.hexdigest()
