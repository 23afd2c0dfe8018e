"""Colours have one meaning each, are seen by people with colour blindness, and stand out from their background."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from counterpoise.report.charts import theme

BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""Matrices on linear RGB for full severity: Machado, Oliveira and Fernandes (2009), table 1."""
DATA = ("focus", "compare", "found", "alarm", "validation")
"""Colours of marks that a reader must distinguish."""
PALETTES = {"light": theme.LIGHT, "dark": theme.DARK}


def linear(color: str) -> NDArray[np.float64]:
    values = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Björn Ottosson's perceptual colour space; black and white are 1 apart."""
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.asarray(to_lab @ np.cbrt(to_lms @ np.clip(rgb, 0, 1)))


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_distance_is_that_of_black_and_white_and_a_blind_eye_confuses_red_and_green():
    assert np.linalg.norm(oklab(linear("#ffffff")) - oklab(linear("#000000"))) == pytest.approx(1, abs=1e-3)
    seen = [oklab(BLINDNESS["deuteranopia"] @ linear(color)) for color in ("#b54f4f", "#6f7d3a")]
    plain = [oklab(linear(color)) for color in ("#b54f4f", "#6f7d3a")]
    assert np.linalg.norm(seen[0] - seen[1]) < 0.5 * np.linalg.norm(plain[0] - plain[1])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("palette", PALETTES)
def test_any_two_colors_of_marks_are_distinguished(palette, blindness):
    seen = {name: oklab(BLINDNESS[blindness] @ linear(PALETTES[palette][name])) for name in DATA}
    distances = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in itertools.combinations(DATA, 2)}
    assert min(distances.values()) > 0.1, min(distances, key=lambda pair: distances[pair])


@pytest.mark.parametrize("palette", PALETTES)
def test_marks_and_texts_stand_out_from_their_background(palette):
    colors = PALETTES[palette]
    assert all(contrast(colors[name], colors["card"]) >= 3 for name in DATA)
    assert all(contrast(colors[name], colors["card"]) >= 4.5 for name in ("ink", "muted"))


def test_every_color_has_a_meaning_and_a_value_for_light_and_dark():
    assert set(theme.LIGHT) == set(theme.DARK) == set(theme.MEANINGS)
    assert len(set(theme.MEANINGS.values())) == len(theme.MEANINGS)


def test_a_color_without_meaning_is_refused():
    with pytest.raises(KeyError, match="no colour means 'nice'"):
        theme.color("nice")


def test_the_style_sheet_defines_every_color_for_both_themes():
    text = theme.style_sheet()
    light, dark = text.split("@media screen and (prefers-color-scheme:dark)")
    for palette, part in ((theme.LIGHT, light), (theme.DARK, dark)):
        assert all(f"--{name}:{value};" in part for name, value in palette.items())
