"""What a decision takes from validation: a calibrator that can undo the ledger, and counts."""

import numpy as np
import pytest

from counterpoise import config
from counterpoise.calibration import prior_ledger
from counterpoise.decision import validation


def test_a_calibrator_without_a_bias_is_refused_where_a_line_is_unknown_and_every_such_line_is_named() -> None:
    known, unknown = prior_ledger.Line("split", "train", (1.0, 2.0)), prior_ledger.Line("loss", "focal", None)
    validation.refuse_unknown("temperature", (known,))
    validation.refuse_unknown("platt", (known, unknown))
    with pytest.raises(config.InputError, match=r"the effect of loss = focal, train\.mix = mixup on the prior has no"):
        validation.refuse_unknown("temperature", (known, unknown, prior_ledger.Line("train.mix", "mixup", None)))


def test_counts_of_each_class_add_up_to_the_images() -> None:
    rng = np.random.default_rng(0)
    truth, decided = rng.random((2, 50, 4)) < 0.3
    rows = validation.count(truth, decided)
    assert [sum(row) for row in rows] == [50] * 4
    assert [hits + misses for hits, _, misses, _ in rows] == truth.sum(axis=0).tolist()
    assert [hits + false for hits, false, _, _ in rows] == decided.sum(axis=0).tolist()
