"""What every kind of proposals keeps to."""

from typing import Any

import pytest
import torch

from counterpoise.config import InputError
from counterpoise.detection import proposals
from counterpoise.detection.proposals import iou_uniform, rpn

PARAMS: dict[str, Any] = {
    "rpn": rpn.Params(),
    "iou_uniform": iou_uniform.Params(count=5, least_iou=0.5, most_iou=0.95),
}


def test_the_kinds_there_are() -> None:
    assert proposals.names() == sorted(PARAMS)


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_only_uniform_proposals_add_boxes(name: str) -> None:
    kind, generator = proposals.find(name), torch.Generator().manual_seed(0)
    truth = torch.tensor([[10.0, 10.0, 30.0, 30.0]])
    assert (kind.extra(truth, PARAMS[name], generator) is not None) == (name == "iou_uniform")


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"detector.proposals is 'iou_unifrm'; .*did you mean 'iou_uniform'"):
        proposals.find("iou_unifrm")
