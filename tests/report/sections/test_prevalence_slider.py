"""The words beside the slider."""

from counterpoise.report.sections.prevalence_slider import _distinct


def test_no_two_positions_of_the_slider_read_the_same() -> None:
    shares = [0.0404, 0.04, 0.121951, 0.122, 0.1221, 0.5]
    assert len(set(_distinct(shares).values())) == len(shares)
    assert _distinct(shares)[0.5] == "50 %"
