"""Dotted names of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel


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
