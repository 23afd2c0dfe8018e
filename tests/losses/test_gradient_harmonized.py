"""Gradient harmonizing against its published code, written out bin by bin, and what its memory holds."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.losses.gradient_harmonized import Params, gradient_harmonized, module_class, prior_factors

GradientHarmonized = module_class()


def a_batch(seed: int = 0, n: int = 40, c: int = 3, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(n, c, generator=generator, dtype=torch.float64)
    return logits, (torch.rand(n, c, generator=generator) < 0.3).long()


def published(logits: Tensor, targets: Tensor, bins: int, momentum: float, held: list[float]) -> Tensor:
    """Compute the loss of a batch as mmdetection's GHMC does, whose counts `held` are changed."""
    edges = [number / bins for number in range(bins)] + [1 + 1e-6]
    sizes = (logits.sigmoid() - targets).abs()
    total, filled = sizes.numel(), 0
    weights = torch.zeros_like(sizes)
    for number in range(bins):
        inside = (sizes >= edges[number]) & (sizes < edges[number + 1])
        count = int(inside.sum())
        if count:
            held[number] = momentum * held[number] + (1 - momentum) * count if momentum else count
            weights[inside] = total / held[number]
            filled += 1
    plain = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    return plain * weights / filled


@pytest.mark.parametrize("bins", [1, 4, 10, 30])
def test_without_momentum_it_is_the_published_code(bins):
    for seed, spread in ((0, 0.2), (1, 2.0), (2, 9.0)):  # with empty bins, and without
        logits, targets = a_batch(seed, spread=spread)
        expected = published(logits, targets, bins, 0.0, [0.0] * bins)
        torch.testing.assert_close(gradient_harmonized(logits, targets, bins=bins), expected)


def test_with_momentum_it_is_the_published_code_but_for_its_start_at_0():
    """As long as no bin is empty; the counts there are a share 1 - momentum^t of what they should be."""
    loss, held = GradientHarmonized(4, 0.75).double(), [0.0] * 4
    for step in range(1, 8):
        logits, targets = a_batch(step, n=60)
        theirs = published(logits, targets, 4, 0.75, held)
        torch.testing.assert_close(loss(logits, targets), theirs * (1 - 0.75**step))


def test_two_classes_are_the_published_code_on_the_difference_of_logits():
    logits, _ = a_batch(c=2)
    targets = torch.arange(40) % 3 // 2
    expected = published(logits[:, 1] - logits[:, 0], targets, 10, 0.0, [0.0] * 10)
    torch.testing.assert_close(gradient_harmonized(logits, targets, bins=10), expected)


def test_of_one_class_per_example_the_size_is_half_the_sum_of_the_gradients():
    """Each example alone in a bin, or not, by the gradient of its own cross-entropy."""
    logits, targets = a_batch()[0].requires_grad_(), torch.arange(40) % 3
    plain = functional.cross_entropy(logits, targets, reduction="none")
    (slope,) = torch.autograd.grad(plain.sum(), logits, retain_graph=True)
    places = (slope.abs().sum(dim=1) / 2 * 5).long().tolist()
    expected = [40 / (len(set(places)) * places.count(place)) for place in places]
    weights = gradient_harmonized(logits, targets, bins=5) / plain
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float64))


def test_value_by_hand():
    """Three easy examples share a bin, the hard one has another: the mean of both bins' means."""
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8]], dtype=torch.float64))
    values = gradient_harmonized(logits, torch.zeros(4, dtype=torch.long), bins=10)
    assert values.mean().item() == pytest.approx((-math.log(0.9) - math.log(0.2)) / 2)
    assert values[3].item() == pytest.approx(-math.log(0.2) * 4 / 2)


def test_a_single_bin_is_cross_entropy():
    logits, targets = a_batch()
    expected = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    torch.testing.assert_close(gradient_harmonized(logits, targets, bins=1), expected)
    torch.testing.assert_close(GradientHarmonized(1, 0.9).double()(logits, targets), expected)


@pytest.mark.parametrize("momentum", [0.0, 0.75])
def test_the_first_batch_is_harmonized_by_itself_and_its_weights_average_1(momentum):
    logits, targets = a_batch()
    loss = GradientHarmonized(10, momentum).double()
    values = loss(logits, targets)
    torch.testing.assert_close(values, gradient_harmonized(logits, targets, bins=10))
    plain = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    assert (values / plain).mean().item() == pytest.approx(1)


def test_gradients_of_exactly_0_and_1_belong_to_the_outer_bins():
    logits = torch.tensor([[1e4, -1e4]], dtype=torch.float32)
    values = gradient_harmonized(logits, torch.tensor([[1, 1]]), bins=10)
    assert values.tolist() == [[0, 1e4]]  # each alone in its bin, of two: 2 / (2 * 1)


def test_the_weights_carry_no_gradient():
    logits, targets = a_batch()
    logits.requires_grad_()
    values = gradient_harmonized(logits, targets, bins=10)
    plain = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    (slope,) = torch.autograd.grad(values.sum(), logits, retain_graph=True)
    (unweighted,) = torch.autograd.grad(plain.sum(), logits)
    torch.testing.assert_close(slope, unweighted * (values / plain).detach())


def test_a_bin_that_is_empty_fades_from_memory():
    loss = GradientHarmonized(2, 0.5)
    targets = torch.tensor([0])
    loss(torch.tensor([[0.0, 3.0]]), targets)  # wrong
    loss(torch.tensor([[3.0, 0.0]]), targets)  # right
    assert loss.get_buffer("moving").tolist() == [0.5, 0.25]
    right = loss(torch.tensor([[3.0, 0.0]]), targets)
    assert loss.get_buffer("moving").tolist() == [0.75, 0.125]
    plain = math.log1p(math.exp(-3))
    assert right.item() == pytest.approx(plain * 0.875 / 0.75)


def test_the_size_of_a_batch_does_not_decide_how_much_is_remembered_of_it():
    logits, targets = a_batch()
    once, twice = GradientHarmonized(10, 0.75), GradientHarmonized(10, 0.75)
    once(logits, targets)
    twice(logits.repeat(2, 1), targets.repeat(2, 1))
    torch.testing.assert_close(once.get_buffer("moving"), twice.get_buffer("moving"))


def test_validation_sees_cross_entropy_which_depends_on_the_network_alone():
    logits, targets = a_batch()
    loss = GradientHarmonized(10, 0.75)
    loss(*a_batch(5))
    kept = loss.get_buffer("moving").clone()
    expected = functional.binary_cross_entropy_with_logits(logits, targets.double(), reduction="none")
    torch.testing.assert_close(loss.eval()(logits, targets), expected)
    assert torch.equal(loss.get_buffer("moving"), kept)


def test_one_wrong_example_costs_what_a_hundred_do_which_is_why_validation_does_not():
    right, wrong = torch.tensor([[0.0, 3.0]]), torch.tensor([[3.0, 0.0]])
    few, many = torch.cat([right.repeat(199, 1), wrong]), torch.cat([right.repeat(100, 1), wrong.repeat(100, 1)])
    targets = torch.ones(200, dtype=torch.long)
    costs = [gradient_harmonized(logits, targets, bins=10).mean() for logits in (few, many)]
    torch.testing.assert_close(*costs)


def test_without_gradients_the_average_is_used_and_kept():
    one, other = GradientHarmonized(10, 0.75), GradientHarmonized(10, 0.75)
    one(*a_batch(5))
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        values = one(*a_batch())
    assert torch.equal(one.get_buffer("moving"), other.get_buffer("moving"))
    torch.testing.assert_close(values, other(*a_batch()))


def test_the_memory_is_a_state_that_can_be_saved():
    loss = losses.build(
        "gradient_harmonized",
        task="multiclass",
        class_counts=[5, 5],
        example_count=10,
        params={"bins": 7, "momentum": 0.5},
    )
    assert isinstance(loss, GradientHarmonized)
    assert {name: tuple(tensor.shape) for name, tensor in loss.state_dict().items()} == {"moving": (7,)}
    assert not list(loss.parameters())


def test_only_a_single_bin_leaves_the_prior_alone():
    assert prior_factors(Params(bins=1, momentum=0.5), [9, 1]) == (1.0, 1.0)
    assert prior_factors(Params(bins=10, momentum=0.0), [9, 1]) is None


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"bins is 0, momentum is 0.0; expected at least 1"):
        gradient_harmonized(*a_batch(), bins=0)
    block = {"bins": 10, "momentum": 1.0}
    with pytest.raises(config.InputError, match=r"losses.gradient_harmonized.momentum is 1.0"):
        losses.build("gradient_harmonized", task="multiclass", class_counts=[1, 1], example_count=2, params=block)
