"""Every sampler: values by hand, what all of them keep to, and what each of them is for."""

import pytest
import torch
from torch import Tensor

from counterpoise.config import InputError
from counterpoise.detection import samplers
from counterpoise.detection.samplers import Candidates, Sample


def apart(count: int) -> Tensor:
    """Boxes of which no two overlap."""
    x = 20.0 * torch.arange(count)
    return torch.stack([x, torch.zeros(count), x + 10, torch.full((count,), 10.0)], dim=1)


def candidates(labels: list[int], losses: list[float] | None = None, ious: list[float] | None = None) -> Candidates:
    n = len(labels)
    found = torch.zeros(n) if ious is None else torch.tensor(ious)
    return Candidates(torch.tensor(labels), found, apart(n), torch.ones(n) if losses is None else torch.tensor(losses))


def chosen(name: str, of: Candidates, count: int = 512, positive_frac: float = 0.25, seed: int = 0) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    return samplers.find(name).choose(of, count=count, positive_frac=positive_frac, generator=generator)


def test_random_fills_up_with_background() -> None:
    found = chosen("random", candidates([1] * 4 + [0] * 2000), count=256, positive_frac=0.5)
    assert (len(found.positives), len(found.negatives)) == (4, 252)
    found = chosen("random", candidates([2] * 400 + [0] * 2000), count=512, positive_frac=0.25)
    assert (len(found.positives), len(found.negatives)) == (128, 384)


def test_hard_negatives_by_hand() -> None:
    losses = [0.1, 0.9, 0.3, 0.7, 0.5, 0.05, 0.2, 0.4, 0.6] + [0.0] * 20
    of = candidates([0] * 7 + [1, 2] + [-1] * 20, losses)
    found = chosen("hard_negative", of)
    assert of.losses is not None
    assert sorted(found.positives.tolist()) == [7, 8]
    assert len(found.negatives) == 7, "at least 16, and there are 7"
    of = candidates([0] * 40 + [1] * 8, [float(number) for number in range(48)])
    assert sorted(chosen("hard_negative", of).negatives.tolist()) == list(range(16, 40))


def test_three_hard_negatives_for_each_positive_give_1_85(monkeypatch: pytest.MonkeyPatch) -> None:
    from counterpoise.detection.samplers import hard_negative

    monkeypatch.setattr(hard_negative, "LEAST_NEGATIVES", 1)
    of = candidates([0] * 7 + [1, 2], [0.1, 0.9, 0.3, 0.7, 0.5, 0.05, 0.2, 0.4, 0.6])
    found = chosen("hard_negative", of)
    assert of.losses is not None
    total = of.losses[found.positives].sum() + of.losses[found.negatives].sum()
    assert (total / len(found.positives)).item() == pytest.approx(1.85)


def test_an_image_without_objects_teaches_with_its_hardest_background() -> None:
    of = candidates([0] * 100, [float(number) for number in range(100)])
    for name in ("random", "ohem", "iou_balanced", "every"):
        assert len(chosen(name, of).negatives) > 0, name
    assert sorted(chosen("hard_negative", of).negatives.tolist()) == list(range(84, 100))


def test_ohem_by_hand_and_of_all_the_plain_mean() -> None:
    of = candidates([1, 0, 0, 2, 0, 0], [0.2, 1.5, 0.1, 0.9, 0.4, 2.0])
    assert of.losses is not None
    found = chosen("ohem", of, count=3)
    rows = torch.cat([found.positives, found.negatives])
    assert of.losses[rows].mean().item() == pytest.approx(1.466667, abs=1e-6)
    every = chosen("ohem", of, count=6)
    assert sorted([*every.positives.tolist(), *every.negatives.tolist()]) == list(range(6))


def test_ohem_counts_the_same_error_once() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10.5], [50, 0, 60, 10]])
    of = Candidates(torch.tensor([0, 0, 0]), torch.zeros(3), boxes, torch.tensor([1.0, 2.0, 0.5]))
    assert sorted(chosen("ohem", of).negatives.tolist()) == [1, 2]


def test_iou_balanced_by_hand() -> None:
    ious = [0.05] * 90 + [0.2] * 8 + [0.3] * 2
    found = chosen("iou_balanced", candidates([0] * 100, ious=ious), count=30)
    bins = torch.bincount(torch.bucketize(torch.tensor(ious)[found.negatives], torch.tensor([0.1, 0.25])), minlength=3)
    assert len(found.negatives) == 30
    assert bins[1] == 8
    assert bins[2] == 2
    assert bins[0] == 20, "10 of its own, and 10 for what the others lack"
    assert len(set(found.negatives.tolist())) == 30


def test_without_overlaps_iou_balanced_takes_as_many_as_random() -> None:
    found = chosen("iou_balanced", candidates([0] * 100 + [1] * 3), count=20)
    assert (len(found.positives), len(found.negatives)) == (3, 17)


@pytest.mark.parametrize("name", samplers.names())
def test_ignored_rows_are_never_chosen_and_kinds_are_kept(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(-1, 3, (300,), generator=generator)
    of = Candidates(labels, torch.rand(300, generator=generator), apart(300), torch.rand(300, generator=generator))
    found = chosen(name, of, count=64)
    assert (labels[found.positives] > 0).all()
    assert (labels[found.negatives] == 0).all()
    assert len(found.positives) > 0
    assert len(found.negatives) > 0


@pytest.mark.parametrize("name", samplers.names())
def test_all_ignored_or_no_candidates_give_an_empty_sample(name: str) -> None:
    for labels in ([-1] * 5, []):
        found = chosen(name, candidates(labels))
        assert (len(found.positives), len(found.negatives)) == (0, 0)


@pytest.mark.parametrize("name", samplers.names())
def test_equal_seeds_choose_the_same_and_leave_the_global_generator_alone(name: str) -> None:
    of = candidates([1] * 50 + [0] * 500, ious=[0.4] * 50 + [number / 1500 for number in range(500)])
    before = torch.random.get_rng_state()
    first, again = chosen(name, of, count=40), chosen(name, of, count=40)
    assert torch.equal(first.negatives, again.negatives)
    assert torch.equal(first.positives, again.positives)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_hard_examples_without_losses_are_refused() -> None:
    of = Candidates(torch.tensor([0, 1]), torch.zeros(2), apart(2))
    for name in samplers.names():
        if samplers.find(name).NEEDS_LOSSES:
            with pytest.raises(ValueError, match="by their losses"):
                chosen(name, of)


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"detector\.sampler is 'ohm'; .*did you mean 'ohem'"):
        samplers.find("ohm")
