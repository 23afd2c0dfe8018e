"""How the pixel values of a data set become 8-bit RGB: found once, over all its images, and the same for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from counterpoise import images
from counterpoise.images import Pixels
from counterpoise.images.samples import EIGHT_BITS, FLOAT, INTEGER, Samples

IGNORED = 100_000
"""One in so many values of an image is left out of its range at either end, so that a hot pixel does not decide it."""
FAR = 3
"""A value that is farther from all others than so many times their range may mark missing pixels."""
DARK = 0.25
"""Transparent pictures whose visible parts are darker than this share of the range, on average, lie on white."""


Alpha = Literal["none", "opaque", "mask", "picture"]


@dataclass(frozen=True)
class Seen:
    """What one image says of the values of its data set.

    Attributes:
        kind: Of its values.
        low: The lowest of them but for one in `IGNORED`; NaN for 8 bits and where none is finite.
        high: The highest, likewise.
        spare: Bands that are neither shown nor said to be transparency.
        alpha: What the band is that is said to be transparency: `none`, `opaque` (everywhere), `mask` (the file says
            so for sure, or it is opaque or transparent in every pixel), or `picture`.
        ink: Mean value of what can be seen, if parts are transparent.
        after_low: The lowest value above `low`; NaN where there is none.
        before_high: The highest value below `high`; NaN where there is none.
    """

    kind: str
    low: float
    high: float
    spare: int
    alpha: Alpha
    ink: float | None
    after_low: float = float("nan")
    before_high: float = float("nan")

    @property
    def is_plain(self) -> bool:
        """Whether the image is shown the same way, whatever the other images are."""
        return self.kind == EIGHT_BITS and self.alpha == "none"


def look(samples: Samples, bands: Sequence[int] = ()) -> Seen:
    """Look at the values of one image.

    Args:
        samples: Its values.
        bands: Numbers of the bands that are shown; empty for the usual ones, and transparency.
    """
    shown = images.colour_bands(samples, tuple(bands))
    alpha: Alpha = "none"
    ink = None
    if samples.alpha and not bands:
        alpha, ink = _look_at_alpha(samples, shown)
    spare = 0 if bands else samples.bands - len(shown) - samples.alpha
    low = high = after_low = before_high = float("nan")
    if samples.kind != EIGHT_BITS:
        counts = _count(samples, shown)
        if counts is not None:
            low, high, after_low, before_high = _ends_of(*counts, _ignored(samples, shown))
        else:
            low, high = _extremes(samples, shown)
            after_low, before_high = _next_to(samples, shown, low, high)
    return Seen(samples.kind, low, high, spare, alpha, ink, after_low, before_high)


def _look_at_alpha(samples: Samples, shown: Sequence[int]) -> tuple[Alpha, float | None]:
    least, most, between, total, weight = 255, 0, False, 0.0, 0
    for window in samples.windows():
        values = samples.window(*window)
        opacity = images.opacity(values[..., -1])
        least, most = min(least, int(opacity.min())), max(most, int(opacity.max()))
        between = between or bool(((opacity > 0) & (opacity < 255)).any())
        total += float((values[..., shown].mean(axis=2, dtype=np.float64) * opacity).sum())
        weight += int(opacity.sum(dtype=np.int64))
    if samples.is_tiff and (between or not most):
        return "picture", None
    if least == 255:
        return "opaque", None
    return "mask", total / weight if weight else None


def _ignored(samples: Samples, shown: Sequence[int]) -> int:
    """Count the values at either end that are left out of the range."""
    return samples.height * samples.width * len(shown) // IGNORED


def _count(samples: Samples, shown: Sequence[int]) -> tuple[NDArray[np.int64], int] | None:
    """Count how often each value occurs, in one pass, where all values are integers of at most 16 bits.

    Returns:
        The counts, and the value of the first; `None` for other values.
    """
    counts: NDArray[np.int64] | None = None
    first = 0
    for window in samples.windows():
        values = samples.window(*window)
        if counts is None:
            if values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
                return None
            limits = np.iinfo(values.dtype)
            first, counts = limits.min, np.zeros(limits.max - limits.min + 1, dtype=np.int64)
        for band in shown:
            own = values[..., band].ravel()
            counts += np.bincount(own.astype(np.int64) - first if first else own, minlength=len(counts))
    if counts is None:
        return None
    counts[~samples.known(np.arange(first, first + len(counts), dtype=np.float64))] = 0
    return counts, first


def _ends_of(counts: NDArray[np.int64], first: int, ignored: int) -> tuple[float, float, float, float]:
    """Find in counts of values what `_extremes` and `_next_to` find in values."""
    present, total = np.flatnonzero(counts), int(counts.sum())
    if not total:
        return (float("nan"),) * 4
    rank = min(ignored + 1, total)
    low = int(np.searchsorted(np.cumsum(counts), rank))
    high = len(counts) - 1 - int(np.searchsorted(np.cumsum(counts[::-1]), rank))
    above, below = present[present > low], present[present < high]
    after_low = float(above[0] + first) if len(above) else float("nan")
    return float(low + first), float(high + first), after_low, float(below[-1] + first) if len(below) else float("nan")


def _extremes(samples: Samples, shown: Sequence[int]) -> tuple[float, float]:
    """Find the lowest and the highest value but for one in `IGNORED`; NaN where no value is finite."""
    ignored = _ignored(samples, shown)
    lowest: NDArray[Any] = np.empty(0)
    highest: NDArray[Any] = np.empty(0)
    for window in samples.windows():
        values = samples.window(*window)[..., shown].astype(np.float64).ravel()
        values = values[samples.known(values)]
        lowest = _smallest(lowest, values, ignored + 1)
        highest = -_smallest(-highest, -values, ignored + 1)
    if not len(lowest):
        return float("nan"), float("nan")
    return float(lowest.max()), float(highest.min())


def _next_to(samples: Samples, shown: Sequence[int], low: float, high: float) -> tuple[float, float]:
    """Find the lowest value above `low` and the highest below `high`; NaN where there is none."""
    above, below = [float("inf")], [float("-inf")]
    for window in samples.windows():
        values = samples.window(*window)[..., shown].astype(np.float64).ravel()
        values = values[samples.known(values)]
        above.append(float(values[values > low].min(initial=np.inf)))
        below.append(float(values[values < high].max(initial=-np.inf)))
    after_low, before_high = min(above), max(below)
    return (after_low if after_low < np.inf else float("nan")), (before_high if before_high > -np.inf else float("nan"))


def _smallest(held: NDArray[Any], fresh: NDArray[Any], count: int) -> NDArray[Any]:
    """Find the `count` smallest of both; `held` has the smallest of those before."""
    if len(held) == count:
        fresh = fresh[fresh < held.max()]  # few are left to sort
    values = np.concatenate([held, fresh])
    return values if len(values) <= count else np.partition(values, count - 1)[:count]


def settle(
    seen: Iterable[Seen],
    *,
    stated_range: tuple[float, float] | None,
    stated_bands: Sequence[int],
    background: Literal["auto", "black", "white"],
) -> Pixels:
    """Settle how the values of all images become 8-bit RGB.

    Args:
        seen: What each usable image says.
        stated_range: The values that become black and white, in every image; `None` to find them.
        stated_bands: Numbers of the bands that are red, green and blue, or grey; empty for the usual ones.
        background: What lies behind transparent pixels.

    Returns:
        The same for all images. Values of 8 bits stay unchanged unless a range is stated.
    """
    every = list(seen)
    kinds = [kind for kind in (INTEGER, FLOAT) if any(image.kind == kind for image in every)]
    if stated_range:
        ranges = dict.fromkeys((EIGHT_BITS, INTEGER, FLOAT), stated_range)
    else:
        ranges = {kind: _range_of([image for image in every if image.kind == kind]) for kind in kinds}
    tiff_alpha = all(image.alpha != "picture" for image in every)
    transparent = [image for image in every if image.ink is not None]
    shares = [_share(image, ranges) for image in transparent]
    is_dark = background == "auto" and bool(shares) and float(np.mean(shares)) < DARK
    white = is_dark or background == "white"
    found = "; ".join(_words(every, ranges, stated_range, stated_bands, tiff_alpha))
    if transparent:
        found += f"; transparent parts are {'white' if white else 'black'}"
        found += ", since what can be seen is dark" if is_dark else ""
    return Pixels(ranges, tuple(stated_bands), 255 if white else 0, tiff_alpha, found)


def _range_of(seen: Sequence[Seen]) -> tuple[float, float]:
    """Find the range of values of one kind: of all bits up to the highest that is used, or from lowest to highest.

    Integers without sign that use at least half of 0..2^k - 1 get that range, so that 12 bits in 16 are 0..4095.
    """
    lows, highs = [image.low for image in seen], [image.high for image in seen]
    if np.isnan(lows).all():
        return 0.0, 1.0
    low, high = float(np.nanmin(lows)), float(np.nanmax(highs))
    whole = float(2 ** int(high).bit_length() - 1) if seen[0].kind == INTEGER and low >= 0 else 0.0
    if whole >= 1 and high - low >= whole / 2:
        return 0.0, whole
    return low, high if high > low else low + 1


def _share(image: Seen, ranges: dict[str, tuple[float, float]]) -> float:
    low, high = ranges.get(image.kind, (0.0, 255.0))
    return ((image.ink or 0.0) - low) / (high - low)


def _words(
    seen: Sequence[Seen],
    ranges: dict[str, tuple[float, float]],
    stated_range: tuple[float, float] | None,
    stated_bands: Sequence[int],
    tiff_alpha: bool,
) -> list[str]:
    words = []
    if stated_range:
        words.append(
            f"values from {stated_range[0]:g} (black) to {stated_range[1]:g} (white), as ingest.pixel_range says"
        )
    else:
        plain = sum(image.kind == EIGHT_BITS for image in seen)
        if plain == len(seen):
            words.append("all images have 8 bits, 0 to 255 unchanged")
        elif plain:
            words.append(f"8 bits in {_images(plain)}, 0 to 255 unchanged")
        for kind, (low, high) in ranges.items():
            count = _images(sum(image.kind == kind for image in seen))
            name = "floating-point values" if kind == FLOAT else "integers of more than 8 bits"
            words.append(f"{name} in {count}, {low:g} (black) to {high:g} (white) as found over all of them")
            words += _far_values([image for image in seen if image.kind == kind])
    if stated_bands:
        words.append(f"bands {', '.join(map(str, stated_bands))} are shown, as ingest.bands says")
    if spare := sum(image.spare > 0 for image in seen):
        words.append(f"{_images(spare)} with bands after the usual ones, which are not used; see ingest.bands")
    if not tiff_alpha:
        count = _images(sum(image.alpha == "picture" for image in seen))
        words.append(
            f"{count} with a last band that a TIFF calls transparency but varies like a picture, which is not used; "
            "see ingest.bands"
        )
    return words


def _far_values(seen: Sequence[Seen]) -> list[str]:
    """Name the lowest and the highest value if it is far from all others, as -9999 or 65535 for missing pixels."""
    lows, highs = np.array([image.low for image in seen]), np.array([image.high for image in seen])
    if np.isnan(lows).all():
        return []
    low, high = float(np.nanmin(lows)), float(np.nanmax(highs))
    others_low = np.where(lows == low, [image.after_low for image in seen], lows)
    others_high = np.where(highs == high, [image.before_high for image in seen], highs)
    words = []
    for name, value, one, other in (
        ("lowest", low, others_low, highs),
        ("highest", high, lows, others_high),
    ):
        if np.isnan(one).all() or np.isnan(other).all():
            continue
        least, most = float(np.nanmin(one)), float(np.nanmax(other))
        if most > least and max(least - value, value - most) > FAR * (most - least):
            words.append(
                f"the {name} value, {value:g}, is far from all others, so that these look alike; if it marks missing "
                f"or faulty pixels, set ingest.pixel_range to [{least:g}, {most:g}]"
            )
    return words


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"
