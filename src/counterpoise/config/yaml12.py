"""Reading YAML 1.2, in which `1e-3` is a number and `no` a word, from files that may be damaged or hostile."""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 20
"""Levels of sections and lists that are read; parameters have five at most, and Python's own limit is near 1,000."""
MOST_VALUES = 1_000_000
"""Values that are read, counted as if every alias were written out. A full table of the costs between 700 classes fits;
ten levels of lists of nine aliases are billions."""
LONGEST_NUMBER = 40
"""Digits of a whole number that are read; every parameter is far below, and Python refuses more than 4,300."""


class RefusedError(ValueError):
    """The text is no YAML, or more than is ever needed; the message says what, and in which line."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # in C where PyYAML was built so
    """PyYAML's safe loader with the numbers and booleans of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":float", ":int", ":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    digits = loader.construct_scalar(node)
    if len(digits) > LONGEST_NUMBER:
        raise RefusedError(
            f"line {node.start_mark.line + 1} holds a number of {len(digits):,} digits; at most {LONGEST_NUMBER} are "
            "read; shorten it"
        )
    return int(digits)  # PyYAML's own would read 012 as an octal number


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    lines: dict[Any, list[int]] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, str | int | float):
            lines.setdefault(key, []).append(key_node.start_mark.line + 1)
    for key, found in lines.items():
        if len(found) > 1:
            kind, at = "key" if node.start_mark.column else "section", " and ".join(map(str, found))
            raise RefusedError(f"{kind} {key!r} occurs twice: lines {at}; keep one, and change the value there")
    content: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return content


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)


def read(text: str) -> object:
    r"""Read a text.

    Args:
        text: YAML, whose numbers are read as YAML 1.2 reads them.

    Returns:
        What it says: mappings, lists, text, numbers, booleans, `None`.

    Raises:
        RefusedError: The text is no YAML, a key occurs twice, or the text is too deep, too long or holds itself.

    Example:
        >>> read("rate: 1e-3\nsource: no")
        {'rate': 0.001, 'source': 'no'}
    """
    try:
        _measure(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f" near line {mark.line + 1}" if mark else ""
        raise RefusedError(
            f"not valid YAML{place}; often `{{}}` or `[]` was left before indented lines, or a tab or a space is wrong"
            f". The parser says: {str(error).replace('<unicode string>', 'the text')}"
        ) from error


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _measure(text: str) -> None:
    """Refuse what would take too long or too much memory, before anything is built of it.

    `open_nodes` holds, for each collection that is being read, its anchor, its size (values, aliases written out) and
    its height (levels, itself included); `anchors` has size and height of those that ended.
    """
    open_nodes: list[tuple[str | None, int, int]] = [(None, 0, 0)]
    anchors: dict[str, tuple[int, int]] = {}

    def add(size: int, height: int, line: int) -> None:
        anchor, own_size, own_height = open_nodes[-1]
        open_nodes[-1] = anchor, own_size + size, max(own_height, height + 1)
        if len(open_nodes) + height - 1 > DEEPEST:
            raise RefusedError(f"line {line} is more than {DEEPEST} levels deep; remove brackets or indentation")
        if open_nodes[-1][1] > MOST_VALUES:
            raise RefusedError(
                f"line {line}: more than {MOST_VALUES:,} values, counting what an alias (`*name`) repeats each time it "
                "is used; write out only what is needed"
            )

    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if (tag := getattr(event, "tag", None)) not in (None, "!", "tag:yaml.org,2002:str"):
            raise RefusedError(
                f"not valid YAML here: line {line} holds the tag {_short(tag)}, which no parameter needs; remove it"
            )
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise RefusedError(
                    f"not valid YAML: line {line}: nothing above it is complete that alias *{event.anchor} could repeat"
                )
            add(*anchors[event.anchor], line)
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                anchors[event.anchor] = 1, 0
            add(1, 0, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1, 1))
            if len(open_nodes) - 1 > DEEPEST:
                raise RefusedError(f"line {line} is more than {DEEPEST} levels deep; remove brackets or indentation")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size, height = open_nodes.pop()
            if anchor is not None:
                anchors[anchor] = size, height
            add(size, height, line)
