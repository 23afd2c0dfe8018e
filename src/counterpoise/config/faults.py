"""Faults of `params.yaml` in words: what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

PATH = "params.yaml"
MOST_FAULTS = 20
"""How many faults of a section a message lists."""
LONGEST_VALUE = 200
"""Characters of a faulty value that a message shows."""
_UNION_MEMBER = re.compile(r"(?:literal|dict|tuple|list)\[.*\]")
"""How pydantic names, inside a location, the member of a union that it tried."""
_OTHER_WORDS = {"gpu": ("cuda", "mps", "auto"), "nvidia": ("cuda",), "apple": ("mps",)}
"""What people write -> the names that they may mean, which need not look alike."""
KINDS = {type(None): "nothing", str: "text", int: "a number", float: "a number", list: "a list"}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_long": "at most {max_length} entries, found {actual_length}",
    "dict_type": "a mapping, such as {{name: value}}",
    "model_type": "a section of parameters, such as {{name: value}}",
}
"""What to say for each type of error of pydantic, with the bounds that it states."""
_LISTS = ("tuple_type", "list_type")


def suggest(value: object, expected: Iterable[str], others: str = "") -> str:
    """Say what was expected, and which of it was probably meant.

    Args:
        value: What was found.
        expected: The names that are allowed.
        others: What else is allowed, as a clause that follows the names.

    Example:
        >>> suggest("focl", ["cross_entropy", "focal"])
        "expected one of ['cross_entropy', 'focal']; did you mean 'focal'?"
    """
    names, text = list(expected), str(value)
    meant = [name for name in _OTHER_WORDS.get(text.lower(), ()) if name in names]
    if not meant and len(text) <= LONGEST_VALUE:  # comparing longer ones takes long, and they resemble no name
        meant = difflib.get_close_matches(text, names, n=1) or difflib.get_close_matches(text.lower(), names, n=1)
    hint = " or ".join(map(repr, meant))
    return f"expected one of {names}{others}" + (f"; did you mean {hint}?" if hint else "")


def shorten(faults: list[str], unseen: int = 0) -> list[str]:
    """Keep the first lines of a long list of faults, and say how many more there are.

    Args:
        faults: A line for each.
        unseen: How many more are in no line; below 0 for none.
    """
    more = max(0, unseen) + max(0, len(faults) - MOST_FAULTS)
    return [*faults[:MOST_FAULTS], *([f"{PATH}: {more:,} more faults are not shown"] if more else [])]


def without_untaken(problems: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out what only says that the other member of a union, a word or a mapping, was not meant."""
    at_or_below, words_at_or_below = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for problem in problems:
        place = _place(problem)
        prefixes = [tuple(place[:length]) for length in range(len(place) + 1)]
        at_or_below.update(prefixes)
        if problem["type"] == "literal_error":
            words_at_or_below.update(prefixes)
    return [
        problem
        for problem in problems
        if not (
            # the mapping was meant, and something in it is wrong
            (
                problem["type"] == "literal_error"
                and isinstance(problem["input"], Mapping)
                and at_or_below[tuple(_place(problem))] > 1
            )
            or (problem["type"] == "dict_type" and words_at_or_below[tuple(_place(problem))])
        )
    ]


def _place(problem: Mapping[str, Any]) -> list[str]:
    return [str(part) for part in problem["loc"] if not _UNION_MEMBER.fullmatch(str(part))]


def explain(section: type[BaseModel], problem: Mapping[str, Any], where: str) -> str:
    """Put an error of pydantic into the words of `params.yaml`, as one line.

    Args:
        section: What was expected.
        problem: The error, as `ValidationError.errors` returns it.
        where: Dotted name of the section; empty at the top.
    """
    location, value, kind = _place(problem), problem["input"], problem["type"]
    if location[-1] == "[key]":
        owner = ".".join(part for part in [where, *location[:-2]] if part)
        return f"{PATH}: {owner} has the key {value!r}; expected text; write it in quotes: '{value}'"
    name = ".".join(part for part in [where, *location] if part)
    if kind == "extra_forbidden":
        return f"{PATH}: {name} is not a parameter; {suggest(location[-1], _fields(section, location[:-1]))}"
    if kind == "missing":
        return f"{PATH}: {name} is missing; add it (`counterpoise params` explains every parameter)"
    if kind == "literal_error":
        others = ", or a mapping of names to numbers" if _takes_mapping(section, location) else ""
        return f"{PATH}: {name} is {written(value)}; {suggest(value, _literals(section, location), others)}"
    if isinstance(problem["loc"][-1], int) and get_origin(_annotation(section, location[:-1])) is not dict:
        name = f"entry {problem['loc'][-1] + 1} of {name.rpartition('.')[0]}"
    return f"{PATH}: {name} is {written(value)}; {_expected(problem)}"


def written(value: object) -> str:
    """Write a value like YAML does, where Python would write `None` or `True`."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _expected(problem: Mapping[str, Any]) -> str:
    """Say in words of `params.yaml` what a value should have been."""
    kind, value = problem["type"], problem["input"]
    if kind in _LISTS:
        example = value if isinstance(value, str | int | float) and value != "" else "NAME"
        return f"expected a list, such as [{example}]"
    if kind == "string_type" and isinstance(value, int | float):
        return f"expected text; write it in quotes: '{written(value)}'"
    if kind in _EXPECTED:
        return "expected " + _EXPECTED[kind].format(**{k: _bound(v) for k, v in problem.get("ctx", {}).items()})
    message = str(problem["msg"])
    return f"{message[0].lower()}{message[1:]}"


def _bound(value: object) -> str:
    """Write a bound, with commas in large numbers."""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def _annotation(section: type[BaseModel], location: list[str]) -> Any:  # noqa: ANN401 - any annotation
    current: Any = section
    for part in location:
        if not (isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields):
            return None
        current = current.model_fields[part].annotation
    return current


def _fields(section: type[BaseModel], location: list[str]) -> list[str]:
    owner = _annotation(section, location)
    return list(owner.model_fields) if isinstance(owner, type) and issubclass(owner, BaseModel) else []


def _takes_mapping(section: type[BaseModel], location: list[str]) -> bool:
    return any(get_origin(member) is dict for member in get_args(_annotation(section, location)))


def _literals(section: type[BaseModel], location: list[str]) -> list[str]:
    annotation = _annotation(section, location)
    members = [annotation, *get_args(annotation)]
    return [str(value) for member in members if get_origin(member) is Literal for value in get_args(member)]
