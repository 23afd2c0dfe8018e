"""One file per DVC stage: what it reads, a pure function, and `main`, which alone reads and writes files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from counterpoise import config, storage

P = TypeVar("P", bound=config.Section)


def run(main: Callable[[Path, P], None], params: type[P]) -> None:
    """Run a stage in the current folder; a mistake of the user ends it with a message instead of a traceback."""
    try:
        main(Path.cwd(), config.read(Path.cwd(), params))
    except (config.InputError, storage.ArtifactError) as error:
        sys.exit(f"\n{error}\n")


def warn(message: str) -> None:
    """Say loudly what a person should know although the stage goes on."""
    print(f"WARNING: {message}", file=sys.stderr)
