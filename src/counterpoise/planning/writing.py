"""Write proposed parameters as YAML, with the reason for each choice as a comment above it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 110


def text_of(content: Mapping[str, Any], notes: Mapping[str, str], head: Sequence[str]) -> str:
    """Write a parameter file.

    Args:
        content: Its content.
        notes: Dotted name -> the comment above it.
        head: Lines at the top.

    Returns:
        YAML in the form that DVC writes, so that `dvc exp run -S` keeps the comments.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.default_flow_style = False
    stream = io.StringIO()
    yaml.dump(dict(content), stream)
    loaded: CommentedMap = yaml.load(stream.getvalue())
    for dotted, note in notes.items():
        *above, key = dotted.split(".")
        owner = loaded
        for part in above:
            owner = owner[part]
        indent = 2 * len(above)
        lines = textwrap.wrap(" ".join(note.split()), WIDTH - indent, break_long_words=False, break_on_hyphens=False)
        owner.yaml_set_comment_before_after_key(key, before="\n".join(lines), indent=indent)
    wrapped = [
        part
        for line in head
        for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    ]
    loaded.yaml_set_start_comment("\n".join(wrapped))
    stream = io.StringIO()
    yaml.dump(loaded, stream)
    return stream.getvalue()


def head(place: str, minutes: str, doubts: Sequence[str]) -> list[str]:
    """Write the lines at the top: where the file comes from, how long a run takes, and what to check."""
    lines = [
        f"Parameters for {place}, written by `counterpoise init`. Comments give the reason for each choice.",
        f"`counterpoise params` explains each line, `counterpoise check` tests them, `dvc repro` runs them: {minutes}.",
    ]
    if doubts:
        lines.append("Please check:")
        lines += [f"- {' '.join(line.split())}" for line in doubts]
    return lines
