"""Supports of tables are counted in images and in the units that these come from."""

import numpy as np
import pytest

from counterpoise.evaluation import tasks
from counterpoise.evaluation.scores import Truth, Variant
from counterpoise.evaluation.tables import calibration_table, per_class


def grouped() -> tuple[Variant, Truth]:
    """Return two objects of the common class, four images each, and one of the rare class, of six; all found."""
    targets = np.array([[True, False]] * 8 + [[False, True]] * 6)
    units = np.repeat([0, 1, 2], [4, 4, 6])
    probs = np.where(targets, 0.9, 0.1)
    return Variant(probs, targets), Truth(targets, units, positive=1, resamples=100, seed=0)


def test_the_table_of_classes_counts_images_and_units() -> None:
    table = per_class(*grouped(), ("common", "rare"))
    found = {(row["class"], row["measure"]): (row["count"], row["units"]) for row in table.to_dict(orient="records")}
    assert found["rare", "recall"] == (6, 1)
    assert found["common", "precision"] == (8, 2)
    assert found["rare", "average_precision"] == (6, 1)


def test_bins_of_calibration_count_the_units_of_images_and_of_pairs() -> None:
    variant, truth = grouped()
    of = {"raw": variant, "calibrated": variant}
    images = calibration_table(of, truth, tasks.find("multiclass").forecasts)
    assert images[["observed", "count", "units"]].to_numpy().tolist() == [[1.0, 14, 3]] * 2
    assert images["predicted"].tolist() == pytest.approx([0.9, 0.9])
    pairs = calibration_table(of, truth, tasks.find("multilabel").forecasts)
    assert pairs[["count", "units"]].to_numpy().tolist() == [[14, 3], [14, 3]] * 2
