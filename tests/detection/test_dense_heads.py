"""Heads of all levels, and the order of what they predict."""

import torch
from torchvision.models.detection.retinanet import RetinaNetClassificationHead

from counterpoise.detection import dense_heads

MAPS = [torch.randn(2, 8, 3, 4, generator=torch.Generator().manual_seed(0)), torch.ones(2, 8, 2, 2)]


def test_rows_have_the_order_of_torchvision() -> None:
    head = RetinaNetClassificationHead(8, 3, 5)
    wanted = head(MAPS)
    found = [dense_heads.flat(head.cls_logits(head.conv(level)), 5) for level in MAPS]
    assert torch.cat(found, dim=1).equal(wanted)


def test_a_shared_head_has_the_same_weights_at_each_level_and_others_have_not() -> None:
    for shared in (True, False):
        head = dense_heads.build(8, [6, 6], depth=1, shared=shared)
        first, second = head([MAPS[1], MAPS[1]])
        assert first.shape == (2, 6, 2, 2)
        assert first.equal(second) == shared
    assert [level.shape[1] for level in dense_heads.build(8, [6, 4], depth=0, shared=False)(MAPS)] == [6, 4]


def test_odds_are_those_of_every_anchor() -> None:
    head = dense_heads.build(8, [6], depth=0, shared=True)
    dense_heads.start_at(head, [0.25, 4.0])
    bias = head.lasts[0].bias.reshape(3, 2)
    torch.testing.assert_close(bias, torch.tensor([0.25, 4.0]).log().expand(3, 2))


def test_what_a_level_saw_reaches_the_last_convolution_of_few_channels() -> None:
    head = dense_heads.build(64, [4], depth=4, shared=True)
    images = torch.randn(1, 64, 16, 16, generator=torch.Generator().manual_seed(1))
    tower, _ = head.parts(0)
    assert 0.3 < tower(images).std().item() / images.std().item() < 3
