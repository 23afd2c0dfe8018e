"""`counterpoise params`: every parameter of `params.yaml` with its value, its type and range, and its meaning."""

from __future__ import annotations

import argparse
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from counterpoise import commands, config, sources
from counterpoise.config import InputError

HELP = "explain the parameters of params.yaml and what they accept"
GROUP = "Understand"
EXAMPLES = (
    ("counterpoise params", "all parameters"),
    ("counterpoise params train split.val_frac", "a section and a parameter"),
)
SHARED = {
    "task": "Kind of labels. multiclass: one class per image; multilabel: any number of labels, including none.",
    "loss": "Name of the loss; its parameters are in losses.<name>. docs/losses.md explains each one.",
    "box_loss": "Detection: name of the loss of boxes; its parameters are in box_losses.<name>, explained in "
    "docs/detection-remedies.md.",
    "seed": "Random seed of split, views, sampling and bootstrap, at least 0. Training has its own, train.seed.",
}
"""The parameters at the top of `params.yaml`, which are in no section."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which parameters are shown."""
    parser.add_argument("name", nargs="*", help="a section or parameter, such as `train` or `train.epochs`")


def run(arguments: argparse.Namespace) -> str:
    """Explain the parameters of the current folder."""
    return show(commands.checked_params(Path.cwd()), arguments.name)


def show(content: Mapping[str, Any], names: Sequence[str]) -> str:
    """Write the parameters whose dotted name begins with one of `names`; all of them if there are no names.

    Args:
        content: Checked parameters.
        names: Sections or parameters.

    Raises:
        InputError: No parameter has one of the names.
    """
    rows = list(explain(content))
    for name in names:
        if not any(_within(dotted, name) for dotted, _, _ in rows):
            raise InputError(f"{config.PATH} has no {name!r}; {config.suggest(name, _beside(name, rows))}")
    lines: list[str] = []
    last = ""
    for dotted, value, meaning in rows:
        if not names or any(_within(dotted, name) for name in names):
            section = _section(dotted)
            lines += [""] if lines and section != last else []
            last = section
            lines.append(f"{dotted} = {_written(value)}")
            lines += textwrap.wrap(meaning, 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def explain(content: Mapping[str, Any]) -> Iterator[tuple[str, object, str]]:
    """List every parameter with its value and its meaning.

    Args:
        content: What `config.load` read.

    Yields:
        Dotted name, value, and type, range and meaning as one text, in the order of `params.yaml`.
    """
    from counterpoise import losses
    from counterpoise.detection import box_losses
    from counterpoise.stages import check

    owners = {**check.SHARED, **check.sections()}
    for name, value in content.items():
        if name in SHARED:
            yield name, value, SHARED[name]
        elif name == "losses":
            for loss, block in value.items():
                yield from _explain_section(losses.module(loss).Params, block, f"losses.{loss}")
        elif name == "box_losses":
            for loss, block in value.items():
                yield from _explain_section(box_losses.find(loss).Params, block, f"box_losses.{loss}")
        elif (section := owners.get(name)) is not None:
            yield from _explain_section(section, value, name)


def _explain_section(
    section: type[BaseModel], block: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, object, str]]:
    from counterpoise.stages import check

    schemas = section.model_json_schema().get("properties", {})
    for name, field in section.model_fields.items():
        dotted, value = f"{prefix}.{name}", block.get(name)
        if dotted == "ingest.sources":
            for source, params in block[name].items():
                yield from _explain_section(sources.find(source).Params, params, f"{dotted}.{source}")
        elif prefix == "detector.options":
            for choice, params in block[name].items():
                yield from _explain_section(check.SWITCHES[name].find(choice).Params, params, f"{dotted}.{choice}")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _explain_section(field.annotation, value or {}, dotted)
        else:
            yield dotted, value, " ".join(filter(None, [_meaning(field), _allowed(schemas[name])]))


def _beside(name: str, rows: Sequence[tuple[str, Any, str]]) -> list[str]:
    """List the names in the lowest section of a name that there is."""
    above = name.split(".")[:-1]
    while above and not any(_within(dotted, ".".join(above)) for dotted, _, _ in rows):
        above.pop()
    start = "".join(f"{part}." for part in above)
    found = (dotted.removeprefix(start).split(".")[0] for dotted, _, _ in rows if dotted.startswith(start))
    return list(dict.fromkeys(f"{start}{part}" for part in found))


def _section(dotted: str) -> str:
    """Return the section of a parameter; parameters at the top of the file share the empty one."""
    return dotted.rpartition(".")[0] and dotted.split(".")[0]


def _written(value: object) -> str:
    """Write a value as in `params.yaml`."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf, sort_keys=False).removesuffix("...\n").strip()


def _meaning(field: FieldInfo) -> str:
    text = " ".join((field.description or "").replace("`", "").split())
    return _RANGE.sub(_in_words, text)


_RANGE = re.compile(r"\bin ([\[(])([\d.]+), ([\d.,]+)([\])])")
"""An interval in the notation of mathematics."""


def _in_words(found: re.Match[str]) -> str:
    """Write an interval in words.

    Example:
        >>> _RANGE.sub(_in_words, "in (0, 10], in [0, 1)")
        'above 0 and at most 10, at least 0 and below 1'
    """
    opening, low, high, closing = found.groups()
    return f"{'above' if opening == '(' else 'at least'} {low} and {'below' if closing == ')' else 'at most'} {high}"


def _allowed(schema: Mapping[str, Any]) -> str:
    """Write what a field accepts, from the JSON schema that pydantic derives of it."""
    options = []
    for option in schema.get("anyOf", [schema]):
        if "enum" in option or "const" in option:
            options.append(" | ".join(map(str, option.get("enum", [option.get("const")]))))
        elif "type" in option:
            options.append(_KINDS.get(option["type"], str(option["type"])))
    return f"[{' | '.join(options)}]" if options else ""


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true | false",
    "array": "list, such as [a, b]",
    "object": "table, such as {name: value}",
}
"""Types of JSON schema -> how `params.yaml` calls them."""


def _within(dotted: str, name: str) -> bool:
    return dotted == name or dotted.startswith(f"{name}.")
