"""Batches of an epoch, and the parts of each process."""

import numpy as np
import pytest
from torch import nn

from counterpoise.config import InputError
from counterpoise.engine import process_group
from counterpoise.training import batching


def test_parts_are_of_nearly_equal_size_and_no_single_example() -> None:
    assert [len(part) for part in batching.parts(np.arange(10), 4)] == [3, 3, 2, 2]
    assert [len(part) for part in batching.parts(np.arange(5), 4)] == [3, 2]
    assert [len(part) for part in batching.parts(np.arange(1), 4)] == [1]


@pytest.mark.parametrize("accumulate", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 2, 7, 12])
def test_every_example_is_in_one_part_of_one_process(
    size: int, accumulate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_group, "count", lambda: 3)
    found = []
    for rank in range(3):
        monkeypatch.setattr(process_group, "rank", lambda rank=rank: rank)
        found.append(batching.parts(np.arange(size), accumulate))
    assert sorted(np.concatenate([part for parts in found for part in parts]).tolist()) == list(range(size))
    if size >= 3:
        assert len({len(parts) for parts in found}) == 1


def test_only_batch_norms_that_learn_need_two_examples() -> None:
    order = [np.arange(3), np.arange(1)]
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    with pytest.raises(InputError, match="the smallest batch has 1 example, but batch norm needs at least 2"):
        batching.check(network, order, "cross_entropy", ranks=False)
    network[1].eval()
    batching.check(network, order, "cross_entropy", ranks=False)
