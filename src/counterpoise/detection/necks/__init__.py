"""The open set of necks: what joins the maps of a backbone, a file per neck, found by its name.

A file `detection/necks/<name>.py` holds `build` as in `Neck`. A function `pool`, as in `pafpn`, takes regions from all
maps instead of the one of their size.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from counterpoise.config import PATH, InputError, suggest

if TYPE_CHECKING:
    from torch import nn


class Neck(Protocol):
    """What every file of this folder offers."""

    def build(self, in_channels: Sequence[int], channels: int) -> nn.Module:
        """Return the neck.

        Args:
            in_channels: Channels of the backbone's maps, finest first.
            channels: Channels of every map that leaves the neck.

        Returns:
            A module from an ordered mapping of names to maps (n, in_channels[i], h_i, w_i), finest first, to one of the
            same names to maps (n, channels, h_i, w_i).
        """


def names() -> list[str]:
    """List the necks there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> Neck:
    """Find one by its name.

    Raises:
        InputError: There is no such one.
    """
    if name not in names():
        raise InputError(f"{PATH}: detector.neck is {name!r}; {suggest(name, names())}")
    found: Neck = importlib.import_module(f"{__name__}.{name}")
    return found
