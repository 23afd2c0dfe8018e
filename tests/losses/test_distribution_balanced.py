"""Distribution-balanced loss against its published code, written out entry by entry, its limits, and values by hand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.distribution_balanced import Params, distribution_balanced, prior_factors

COCO: dict[str, Any] = {"alpha": 0.1, "beta": 10.0, "mu": 0.2, "tolerance": 2.0, "kappa": 0.05}
VOC: dict[str, Any] = {"alpha": 0.1, "beta": 10.0, "mu": 0.3, "tolerance": 5.0, "kappa": 0.05}
PLAIN: dict[str, Any] = {"alpha": 0.5, "beta": 0.0, "mu": 0.0, "tolerance": 1.0, "kappa": 0.0}
COUNTS, DRAWS = [60, 25, 4, 1], 100


def a_batch(n: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(n, 4, generator=generator) < 0.4).long()
    return 3 * torch.randn(n, 4, generator=generator, dtype=torch.float64), targets


def ours(logits: Tensor, targets: Tensor, counts: list[int] = COUNTS, draws: int = DRAWS, **block: Any) -> Tensor:
    return distribution_balanced(
        logits, targets, class_counts=torch.tensor(counts).double(), example_count=draws, **block
    )


def published(z: float, k: int, row: list[int], block: dict[str, float]) -> float:
    """Compute an entry as `ResampleLoss` does with reweight_func 'rebalance' and without focal."""
    repeat_rate = sum(borne / count for borne, count in zip(row, COUNTS, strict=True))
    share = 1 / COUNTS[k] / repeat_rate if repeat_rate else math.inf
    weight = block["alpha"] + 1 / (1 + math.exp(-block["beta"] * (share - block["mu"])))
    z += -math.log(DRAWS / COUNTS[k] - 1) * block["kappa"] / block["tolerance"]
    if row[k]:
        return weight * math.log1p(math.exp(-z))
    return weight / block["tolerance"] * math.log1p(math.exp(z * block["tolerance"]))


@pytest.mark.parametrize("block", [COCO, VOC])
def test_it_is_the_published_code(block):
    logits, targets = a_batch()
    targets[3] = 0  # where theirs divides by 0, and goes on with infinity
    values = ours(logits, targets, **block)
    expected = [[published(logits[i, k].item(), k, targets[i].tolist(), block) for k in range(4)] for i in range(20)]
    torch.testing.assert_close(values, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0)


def test_value_by_hand():
    """An example with the labels of 60 and 4 draws: r = 1/16 for the first, 15/16 for the other."""
    row = torch.tensor([[1, 0, 1, 0]])
    weights = ours(torch.zeros(1, 4).double(), row, **{**PLAIN, "alpha": 0.1, "beta": 10.0, "mu": 0.2}) / math.log(2)
    shares = [1 / 16, 60 / 25 / 16, 15 / 16, 60 / 16]
    expected = [0.1 + 1 / (1 + math.exp(-10 * (share - 0.2))) for share in shares]
    assert weights[0].tolist() == pytest.approx(expected)


def test_without_its_parts_it_is_cross_entropy():
    logits, targets = a_batch()
    expected = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    torch.testing.assert_close(ours(logits, targets, **PLAIN), expected)


def test_a_label_that_comes_alone_has_a_share_of_1():
    row = torch.tensor([[0, 0, 1, 0]])
    value = ours(torch.zeros(1, 4).double(), row, **{**PLAIN, "alpha": 0.0, "beta": 10.0, "mu": 1.0})[0, 2]
    assert value.item() == pytest.approx(0.5 * math.log(2))


def test_an_example_without_labels_weighs_as_one_with_a_label_far_more_frequent_than_others():
    logits = torch.zeros(1, 3).double()
    none = ours(logits, torch.tensor([[0, 0, 0]]), [10, 10, 10**6], 2 * 10**6, **{**COCO, "kappa": 0.0})
    common = ours(logits, torch.tensor([[0, 0, 1]]), [10, 10, 10**6], 2 * 10**6, **{**COCO, "kappa": 0.0})
    torch.testing.assert_close(none[:, :2], common[:, :2])
    torch.testing.assert_close(none, torch.full_like(none, 1.1 * math.log(2) / 2))


def test_a_label_that_is_not_borne_stops_pulling_sooner():
    """Below 0 its slope is sigmoid(lambda z), and at 0 as steep as that of cross-entropy."""
    z = torch.tensor([[-2.0], [0.0]], dtype=torch.float64, requires_grad=True)
    values = ours(z, torch.zeros(2, 1).long(), [50], 100, **{**PLAIN, "tolerance": 5.0})
    (slope,) = torch.autograd.grad(values.sum(), z)
    torch.testing.assert_close(slope, torch.sigmoid(5 * z.detach()))


@pytest.mark.parametrize("borne", [0, 1])
def test_the_logit_of_a_rare_label_is_lowered_by_a_share_of_its_log_odds(borne):
    logits, targets = torch.zeros(1, 1).double(), torch.tensor([[borne]])
    nu = 0.1 / 2 * math.log(19)
    moved = ours(logits + nu, targets, [5], 100, **{**PLAIN, "tolerance": 2.0, "kappa": 0.1})
    torch.testing.assert_close(moved, ours(logits, targets, [5], 100, **{**PLAIN, "tolerance": 2.0}))


def test_labels_never_drawn_and_always_borne_count_as_in_the_ledger():
    logits, targets = a_batch()
    edges = ours(logits, targets, [0, 25, 4, 100], **COCO)
    expected = distribution_balanced(
        logits, targets, class_counts=torch.tensor([0.5, 25, 4, 99.5]).double(), example_count=100, **COCO
    )
    assert torch.equal(edges, expected)


@pytest.mark.parametrize("block", [COCO, VOC])
def test_the_gradient_agrees_with_finite_differences(block):
    logits, targets = a_batch(5)
    assert torch.autograd.gradcheck(lambda z: ours(z, targets, **block), [logits.requires_grad_()])


def test_the_value_of_an_example_depends_on_itself_alone():
    logits, targets = a_batch()
    alone = torch.cat([ours(logits[[row]], targets[[row]], **COCO) for row in range(20)])
    torch.testing.assert_close(ours(logits, targets, **COCO), alone)


def test_it_is_for_many_labels_alone():
    with pytest.raises(config.InputError, match=r"'distribution_balanced' is defined for task \['multilabel'\]"):
        losses.build("distribution_balanced", task="multiclass", class_counts=[1, 1], example_count=2, params=COCO)


def test_what_it_does_to_the_prior_is_unknown():
    assert prior_factors(Params(**COCO), COUNTS) is None


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"tolerance is 0.0; expected numbers of at least 0, and a tolerance above 0"):
        ours(*a_batch(), **{**COCO, "tolerance": 0.0})
    with pytest.raises(config.InputError, match=r"losses.distribution_balanced.tolerance is 0.5"):
        losses.build(
            "distribution_balanced",
            task="multilabel",
            class_counts=[1, 1],
            example_count=2,
            params={**COCO, "tolerance": 0.5},
        )
