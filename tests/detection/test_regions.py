"""Second stage: torchvision as oracle, which regions teach, and by what weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.detection.two_stage_problems import BOX_PARAMS, CLASSES, SIDE, TWO, class_loss, lesson, section, truth
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import MultiScaleRoIAlign, box_iou

from counterpoise.detection import regions, two_stage
from counterpoise.detection.detectors import Plan
from counterpoise.detection.regions import Batch, Rule, Switches, Taught
from counterpoise.detection.teaching import Truth

RULE = Rule(0.5, 1.0, regions.CODER_WEIGHTS)
MAPS = {"0": torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0))}
POOL = MultiScaleRoIAlign(["0"], 7, 2, canonical_scale=112)
PROPOSED = [
    torch.tensor([[8.0, 8, 24, 26], [34, 32, 60, 52], [0, 40, 20, 60], [40, 0, 60, 20], [26, 0, 36, 12]]),
    torch.tensor([[10.0, 30, 26, 50], [40, 40, 60, 60], [0, 0, 20, 20]]),
]
"""Of each object of `TWO` one proposal, and background; none overlap by more than 0.7."""


def pool(boxes: list[Tensor]) -> Tensor:
    pooled: Tensor = POOL(MAPS, boxes, [(SIDE, SIDE)] * 2)
    return pooled


def stage() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = regions.build(8, 16, CLASSES, 4)
        for layer in (built.classes, built.boxes):
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=0.5)
    return built


def use(box_loss: str = "smooth_l1", **changes: object) -> Switches:
    of = section(**({"sampler": "every"} | changes))
    return regions.switches(Plan("tiny", CLASSES, SIDE, of, box_loss, BOX_PARAMS.get(box_loss, {}), ()))


def taught(shown: list[Truth], switches: Switches, rule: Rule = RULE, proposed: list[Tensor] | None = None) -> Taught:
    batch = Batch(pool, (SIDE, SIDE), shown, lesson(), switches)
    return regions.teach(stage(), rule, PROPOSED if proposed is None else proposed, batch)


def both(found: Taught) -> tuple[float, float]:
    return found.class_loss.item(), found.box_loss.item()


def torchvisions(of: Any) -> RoIHeads:
    """Build torchvision's heads with the same weights: each class has the box that all share."""
    predictor: Any = nn.Module()
    predictor.cls_score = of.classes
    predictor.bbox_pred = nn.Linear(16, 4 * (1 + CLASSES))
    predictor.bbox_pred.weight.data = of.boxes.weight.detach().repeat(1 + CLASSES, 1)
    predictor.bbox_pred.bias.data = of.boxes.bias.detach().repeat(1 + CLASSES)
    predictor.forward = lambda x: (predictor.cls_score(x), predictor.bbox_pred(x))
    return RoIHeads(POOL, of.hidden, predictor, 0.5, 0.5, 1000, 1.0, None, 0.01, 0.5, 300)


def test_losses_are_those_of_torchvision() -> None:
    targets = [{"boxes": own.boxes, "labels": own.labels + 1} for own in TWO]
    _, losses = torchvisions(stage())(MAPS, list(PROPOSED), [(SIDE, SIDE)] * 2, targets)
    found = taught(TWO, use(box_weight=2.0))
    torch.testing.assert_close(found.class_loss, losses["loss_classifier"])
    torch.testing.assert_close(found.box_loss, 2 * losses["loss_box_reg"])
    halved = taught(TWO, use(), replace(RULE, weight=0.5))
    torch.testing.assert_close(halved.class_loss, losses["loss_classifier"] / 2)
    torch.testing.assert_close(halved.box_loss, losses["loss_box_reg"] / 2)


def test_what_is_found_is_what_torchvision_finds() -> None:
    wanted, _ = torchvisions(stage()).eval()(MAPS, PROPOSED, [(SIDE, SIDE)] * 2)
    found = two_stage._find([stage()], [RULE], pool, PROPOSED, (SIDE, SIDE))
    assert sum(len(own["scores"]) for own in wanted) > 5
    for own, of_image in zip(wanted, found, strict=True):
        torch.testing.assert_close(of_image.boxes, own["boxes"])
        torch.testing.assert_close(of_image.scores, own["scores"])
        assert (of_image.labels + 1).equal(own["labels"])


def test_hard_examples_of_all_are_the_mean_and_fewer_are_harder() -> None:
    shown = [truth([], []), truth([], [])]  # a true box would overlap its own proposal
    plain = both(taught(shown, use()))
    assert both(taught(shown, use(sampler="ohem", samples=1000))) == pytest.approx(plain)
    assert both(taught(shown, use(sampler="ohem", samples=8)))[0] == pytest.approx(plain[0])
    logits = stage()(pool(PROPOSED)).logits
    losses = class_loss(logits, torch.zeros(8, dtype=torch.int64))
    hardest = torch.cat([losses[:5].topk(1).values, losses[5:].topk(1).values]).mean().item()
    one = replace(use(sampler="ohem"), samples=1)
    assert both(taught(shown, one)) == pytest.approx((hardest, 0))


def test_regions_in_ignored_places_teach_nothing() -> None:
    place = torch.tensor([[38.0, 0, 64, 22]])  # the fourth proposal
    shown = [replace(TWO[0], ignored=place), TWO[1]]
    for sampler in ("every", "ohem", "hard_negative", "random", "iou_balanced"):
        before = both(taught(shown, use(sampler=sampler)))
        moved = [PROPOSED[0].clone(), PROPOSED[1]]
        moved[0][3] = torch.tensor([42.0, 2, 62, 18])
        after = taught(shown, use(sampler=sampler), proposed=moved)
        assert both(after) == before, sampler
    assert both(taught(shown, use()))[0] != both(taught(TWO, use()))[0]


def test_a_loss_of_overlap_sees_decoded_boxes_by_hand() -> None:
    found = taught([TWO[0], truth([], [])], use("giou", box_weight=10.0))
    boxes = torch.cat([PROPOSED[0][:2], TWO[0].boxes])
    wanted = torch.cat([TWO[0].boxes, TWO[0].boxes])
    codes = stage()(POOL({"0": MAPS["0"][:1]}, [boxes], [(SIDE, SIDE)])).codes
    moved = regions.decode(codes, boxes, RULE)
    ious = box_iou(moved, wanted).diagonal()
    low, high = torch.minimum(moved, wanted), torch.maximum(moved, wanted)
    hull = (high[:, 2:] - low[:, :2]).prod(dim=1)
    union = ((moved[:, 2:] - moved[:, :2]).prod(dim=1) + (wanted[:, 2:] - wanted[:, :2]).prod(dim=1)) / (1 + ious)
    assert found.box_loss.item() == pytest.approx(10 * (1 - ious + 1 - union / hull).sum().item() / 10, rel=1e-4)


def test_uniform_boxes_teach_the_regression_alone() -> None:
    plain, more = taught(TWO, use()), taught(TWO, use(proposals="iou_uniform"))
    assert more.class_loss.item() == pytest.approx(plain.class_loss.item()), "a larger batch rounds differently"
    assert more.box_loss.item() != plain.box_loss.item()
    few = replace(use(proposals="iou_uniform", sampler="ohem"), samples=0)
    alone = taught(TWO, few)
    assert alone.class_loss.item() == 0
    assert alone.box_loss.item() > 0
    assert [len(own) for own in alone.refined] == [0, 0]


def test_prime_samples_change_gradients_but_not_the_sum_of_classes() -> None:
    plain, isr, carl = (taught(TWO, use(prime=name)) for name in ("none", "isr", "carl"))
    assert isr.class_loss.item() == pytest.approx(plain.class_loss.item())
    assert isr.box_loss.item() == plain.box_loss.item()
    assert carl.class_loss.item() == plain.class_loss.item()
    assert carl.box_loss.item() != plain.box_loss.item()
    flat = use(prime="carl", options={**section().options.model_dump(), "prime": {"carl": {"bias": 1.0, "power": 1.0}}})
    assert taught(TWO, flat).box_loss.item() == pytest.approx(plain.box_loss.item())


def test_an_adversary_makes_objects_harder_and_leaves_background_alone() -> None:
    plain = both(taught(TWO, use()))
    nothing = [truth([], []), truth([], [])]
    for name in ("dropout", "rotation"):
        assert both(taught(TWO, use(adversary=name)))[0] != plain[0]
        assert both(taught(nothing, use(adversary=name))) == both(taught(nothing, use()))
    still = {
        **section().options.model_dump(),
        "adversary": {"rotation": {"degrees": 0.0, "blocks": 1, "candidates": 1}},
    }
    assert both(taught(TWO, use(adversary="rotation", options=still))) == plain


def test_only_proposals_are_refined_and_only_as_boxes_of_positive_area_inside_the_picture() -> None:
    found = taught(TWO, use(proposals="iou_uniform"))
    assert [len(own) for own in found.refined] <= [5, 3]
    every = torch.cat(found.refined)
    assert not every.requires_grad
    assert regions.usable(every).all()
    assert ((every >= 0) & (every <= SIDE)).all()
    odd = torch.tensor([[0.0, 0, 1, 1], [0, 0, float("nan"), 1], [2, 0, 2, 1], [0, 0, float("inf"), 1]])
    assert regions.usable(odd).tolist() == [True, False, False, False]
