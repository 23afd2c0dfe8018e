"""What one decision gains over another on the same images: against paired samples, and its coverage."""

from typing import Any

import numpy as np
import pytest

from counterpoise.evaluation import tasks
from counterpoise.evaluation.differences import differences_table, of_decisions
from counterpoise.evaluation.scores import Truth, Variant
from counterpoise.metrics.difference import of_paired
from counterpoise.metrics.intervals import missing

MULTICLASS = tasks.find("multiclass")
SHARES = np.array([0.45, 0.3, 0.21, 0.04])


def drawn(rng: np.random.Generator, units: int, size: int, offset: float) -> tuple[np.ndarray, ...]:
    """Draw images of four classes in units of the same class, and their decisions without and with an offset."""
    classes = np.repeat(rng.choice(4, p=SHARES, size=units), size)
    noise = np.sqrt(0.5) * (np.repeat(rng.normal(size=(units, 4)), size, axis=0) + rng.normal(size=(units * size, 4)))
    logits = noise + 2 * np.eye(4)[classes] + np.log(SHARES)
    decided = [np.eye(4, dtype=bool)[some.argmax(axis=1)] for some in (logits, logits - offset * np.log(SHARES))]
    return np.eye(4, dtype=bool)[classes], *decided, np.repeat(np.arange(units), size)


def gain(targets: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    recalls = [(some & targets).sum(axis=0) / targets.sum(axis=0) for some in (before, after)]
    return float(np.mean(recalls[1] - recalls[0]))


@pytest.mark.parametrize("offset", [0.05, 1.0], ids=["hardly anything moves", "much moves"])
@pytest.mark.parametrize("size", [1, 5])
def test_intervals_of_a_gain_cover_the_true_one(size: int, offset: float) -> None:
    rng = np.random.default_rng(size)
    true = gain(*drawn(rng, 40_000, size, offset)[:3])
    covered = []
    for _ in range(60):
        targets, before, after, units = drawn(rng, 500, size, offset)
        found = of_paired(
            gain(targets, before, after), *of_decisions(targets, before, after, units, MULTICLASS)["balanced_accuracy"]
        )
        covered.append(found.low <= true <= found.high)
    assert np.mean(covered) >= 0.88  # 95 % of 60, minus 2.5 standard errors


@pytest.mark.parametrize("name", tasks.names())
def test_a_class_that_no_image_of_changed_still_widens_the_interval(name: str) -> None:
    targets = np.eye(2, dtype=bool)[[0] * 90 + [1] * 10]
    before = targets.copy()
    after = np.eye(2, dtype=bool)[[1] * 5 + [0] * 85 + [1] * 10]
    found = of_decisions(targets, before, after, np.arange(100), tasks.find(name))["macro_f1"]
    assert len(found[0]) == 104
    ends = of_paired(-0.1, *found)
    assert ends.high - ends.low > 0.1
    assert ends.low < -0.1 < ends.high


def test_equal_decisions_differ_by_nothing_but_not_with_certainty() -> None:
    targets, before, _, units = drawn(np.random.default_rng(0), 100, 2, 0.0)
    for influences, numbers, strata in of_decisions(targets, before, before, units, MULTICLASS).values():
        ends = of_paired(0.0, influences, numbers, strata)
        assert ends.low < 0 < ends.high
        assert not ends.clear


def test_the_table_has_no_interval_where_a_figure_has_none() -> None:
    targets, before, after, units = drawn(np.random.default_rng(0), 100, 2, 1.0)
    probs = np.full(targets.shape, 0.25)
    variants = {"raw": Variant(probs, before), "calibrated": Variant(probs, before), "decided": Variant(probs, after)}
    truth = Truth(targets, units, positive=3, resamples=100, seed=0)
    scores = {name: MULTICLASS.figures(variant, truth) for name, variant in variants.items()}
    scores["raw"]["macro_f1"] = (0.5, missing("as the test says"))
    table = differences_table(variants, scores, truth, MULTICLASS)
    rows: dict[Any, Any] = table.set_index("figure").to_dict(orient="index")
    assert np.isnan([rows["macro_f1"][end] for end in ("low", "high")]).all()
    assert rows["balanced_accuracy"]["value"] == pytest.approx(gain(targets, before, after))
    assert rows["balanced_accuracy"]["low"] < rows["balanced_accuracy"]["value"]
    assert [rows["brier_score"][name] for name in ("before", "after", "value")] == ["raw", "calibrated", 0.0]
