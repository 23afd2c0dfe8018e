"""On what a network computes."""

import pytest

from counterpoise.config import InputError
from counterpoise.networks import devices


def test_machines_that_compute_alike_agree() -> None:
    assert devices.pick("cpu", "auto", devices.pick("cpu", "float32")) == devices.pick("cpu", "float32")


def test_machines_that_would_compute_differently_are_refused() -> None:
    with pytest.raises(InputError, match="this machine computes on cpu in float32, and another one on cpu in bfloat16"):
        devices.pick("cpu", "auto", devices.pick("cpu", "bfloat16"))
