"""What each epoch shows and minimises."""

import numpy as np
import pytest
import torch
from torch import nn

from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.training.curriculum import Curriculum
from counterpoise.training.examples import Examples
from counterpoise.training.objective import Objective

GOAL = Objective(nn.CrossEntropyLoss(reduction="none"), torch.tensor([1.0, 9.0]), "multiclass")
LOGITS, TARGETS = torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([0, 1])


def some(count: int) -> Examples:
    return Examples(FeatureInputs(np.zeros((count, 2), dtype=np.float32), np.arange(count)), torch.zeros(count).long())


def test_phases_follow_each_other_and_the_last_one_has_draws_and_weights() -> None:
    drawn, natural = some(5), some(3)
    lessons = Curriculum(drawn, GOAL, natural, pretrain_epochs=1, unweighted_epochs=2, natural_epochs=3)
    assert [len(lessons.examples(epoch).inputs) for epoch in range(5)] == [3, 3, 3, 5, 5]
    assert lessons.goal(0) is GOAL.link.cross_entropy
    values = [float(lessons.goal(epoch)(LOGITS, TARGETS)) for epoch in range(3)]
    assert values[0] == pytest.approx(values[1])
    assert values[2] > 2 * values[1]
    assert lessons.settled == 3


def test_without_phases_the_first_epoch_is_as_the_last() -> None:
    lessons = Curriculum(some(5), GOAL)
    assert lessons.settled == 0
    assert lessons.goal(0) is GOAL


def test_first_epochs_need_examples() -> None:
    with pytest.raises(ValueError, match=r"oversample.defer_frac is above 0, but the examples"):
        Curriculum(some(5), GOAL, natural_epochs=1)
