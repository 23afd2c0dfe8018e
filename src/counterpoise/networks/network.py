"""A backbone with its head, and how to rebuild a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from torch import Tensor, nn

from counterpoise.networks import freezing, subclasses
from counterpoise.networks.backbones import build_backbone
from counterpoise.networks.heads import Head, build_head

if TYPE_CHECKING:
    from counterpoise.artifacts.model import Card


class Network(nn.Module):
    """A backbone with its head: from images to raw logits."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 3, s, s) to logits (n, c)."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode. Frozen layers stay in evaluation mode, so their batch norm statistics stay fixed."""
        super().train(mode)
        if mode:
            freezing.hold(self.backbone)
        return self


def rate_fracs(network: nn.Module, first_frac: float) -> dict[str, float]:
    """Return the learning rate of each backbone parameter as a share of the head's rate, by parameter name.

    Args:
        network: A network, or a head alone, which gives no entries.
        first_frac: Share for the first block of the backbone, in (0, 1].
    """
    if not isinstance(network, Network):
        return {}
    return {f"backbone.{name}": frac for name, frac in freezing.rate_fracs(network.backbone, first_frac).items()}


def sum_back(network: nn.Module, parents: Sequence[int]) -> None:
    """Make a network, or a head alone, sum the subclasses of each class in evaluation mode.

    Without subclasses this does nothing.

    Args:
        network: Has one output for each entry of `parents`.
        parents: Class of each output, from `subclasses.parents`.
    """
    if len(parents) > parents[-1] + 1:
        head = network.head if isinstance(network, Network) else network
        assert isinstance(head, Head)
        head.append(subclasses.Sums(parents))


def rebuild(card: Card, weights: dict[str, Tensor]) -> nn.Module:
    """Rebuild a trained network: only the head if the backbone is frozen, otherwise the whole network."""
    parents = subclasses.parents(card.classes, card.subclasses)
    head = build_head(card.head, card.width, len(parents), card.dropout, seed=0, hidden=card.hidden)
    network = head if card.frozen else Network(build_backbone(card.backbone, "none", 0, card.pool), head)
    sum_back(network, parents)
    network.load_state_dict(weights)
    return network
