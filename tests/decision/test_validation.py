"""What a decision takes from validation: which class matters, a calibrator that can undo the ledger, and counts."""

import numpy as np
import pytest

from counterpoise import config
from counterpoise.artifacts import prior
from counterpoise.calibration import prior_ledger
from counterpoise.decision import validation


def counts(*images: int) -> prior.Prior:
    total = sum(images)
    return prior.Prior("multiclass", ("plain", "solar"), images, images, images, total, total, total, ())


def test_the_class_that_matters_is_the_rarest_unless_stated():
    assert validation.positive_class(None, counts(300, 100)) == "solar"
    assert validation.positive_class(None, counts(5, 5)) == "solar"  # of equal ones the last
    assert validation.positive_class("plain", counts(300, 100)) == "plain"
    with pytest.raises(config.InputError, match=r"evaluate\.positive is 'solr'; .*did you mean 'solar'"):
        validation.positive_class("solr", counts(300, 100))


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
