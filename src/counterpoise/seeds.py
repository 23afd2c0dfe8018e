"""Random generators derived from (seed, purpose, item), so that no draw depends on the order of others."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(seed: int, purpose: str, item: str | int = "") -> int:
    """Derive an integer in [0, 2^63) from a seed and what it is for.

    Args:
        seed: The user's seed.
        purpose: What is drawn, such as `"view"`.
        item: For which item, such as a tile's id and the number of its view.

    Returns:
        The same integer for the same arguments on every machine.

    Example:
        >>> derive(0, "view", "a") == derive(0, "view", "a") != derive(0, "view", "b")
        True
    """
    digest = hashlib.sha256(f"{seed}\x1f{purpose}\x1f{item}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str, item: str | int = "") -> np.random.Generator:
    """Make a NumPy generator for one purpose and item; see `derive`."""
    return np.random.default_rng(derive(seed, purpose, item))
