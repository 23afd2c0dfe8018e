"""Verdicts on simulated studies whose truth is known: a short version of `benchmarks/verdicts.py`."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests import scripts

from counterpoise.study import verdicts
from counterpoise.study.verdicts import Verdict

PATH = Path(__file__).parents[2] / "benchmarks" / "verdicts.py"
STUDIES = 12


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    return scripts.load(PATH)


def setting(simulation: ModuleType, name: str) -> object:
    (found,) = (some for some in simulation.SETTINGS if some.name == name)
    return found


@pytest.mark.parametrize(
    "name", ["remedies, 20 of the rarest class", "remedies, in clusters of 5", "remedies, four classes"]
)
def test_intervals_cover_the_true_differences(simulation: ModuleType, name: str) -> None:
    """Of 72 intervals of 95 %, 63 or more cover: fewer would have a probability below 1 % if 95 % did."""
    kind = setting(simulation, name)
    studies = [simulation.run(kind, number) for number in range(STUDIES)]
    true = np.mean([study.truth for study in studies], axis=0)
    covered = 0
    for study in studies:
        for arm, row in enumerate(study.found):
            for figure, found in enumerate(row):
                verdict = verdicts.judge(found, comparisons=1)
                assert isinstance(verdict, Verdict)
                covered += verdict.low <= true[arm, figure] <= verdict.high
    assert covered >= 63


def test_24_arms_that_differ_by_their_seed_alone_are_neither_better_nor_worse(simulation: ModuleType) -> None:
    kind = setting(simulation, "A/A, 24 arms, 20 of the rarest class")
    found = [verdicts.judge(e, comparisons=24) for n in range(4) for row in simulation.run(kind, n).found for e in row]
    assert len(found) == 4 * 24 * 2
    assert not {verdict.word for verdict in found if isinstance(verdict, Verdict)} & {"better", "worse"}


def test_arms_that_only_move_the_threshold_have_identical_rankings(simulation: ModuleType) -> None:
    """The first arm decides as the control does; the last decides at the natural prior, which is truly worse."""
    kind = setting(simulation, "thresholds")
    for number in range(3):
        of_decisions, of_rankings = (
            [verdicts.judge(row[figure], comparisons=24) for row in simulation.run(kind, number).found]
            for figure in range(2)
        )
        assert [verdict.word for verdict in of_rankings if isinstance(verdict, Verdict)] == ["identical"] * 4
        words = [verdict.word for verdict in of_decisions if isinstance(verdict, Verdict)]
        assert (words[0], words[-1]) == ("identical", "worse")
        assert not set(words[1:3]) & {"better", "worse"}


def test_a_much_better_arm_is_found(simulation: ModuleType) -> None:
    kind = setting(simulation, "remedies")
    found = [verdicts.judge(simulation.run(kind, n).found[-1][1], comparisons=24) for n in range(4)]
    assert sum(isinstance(verdict, Verdict) and verdict.word == "better" for verdict in found) >= 3
