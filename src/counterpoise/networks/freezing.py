"""The blocks of a backbone: which of them stay as they came, and how fast each of the others learns."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from counterpoise.config import PATH, InputError

Blocks = tuple[tuple[str, ...], ...]
"""Names of the parameters of each block, from the picture on."""


def blocks(backbone: nn.Module) -> Blocks:
    """Divide the parameters of a backbone into blocks, as timm's own `group_matcher` does: the stem, then each stage.

    What follows the last stage belongs to it (the last convolution of EfficientNets), or is a block of its own (the
    last norm of DenseNets).

    Args:
        backbone: Of timm, without classifier.

    Returns:
        Every parameter once. `resnet18` has 5 blocks, `efficientnet_b0` 8, `densenet121` 6.

    Raises:
        InputError: timm does not say how this backbone is divided.
    """
    from timm.models import group_parameters

    matcher: Any = getattr(backbone, "group_matcher", None)
    if matcher is None:
        raise InputError(
            f"{PATH}: timm does not say into which blocks model.backbone is divided; set model.freeze to another value "
            "than 'first_n', and train.first_rate_frac to 1"
        )
    return tuple(tuple(names) for _, names in sorted(group_parameters(backbone, matcher(coarse=True)).items()))


def has_batchnorm(backbone: nn.Module) -> bool:
    """Say whether there is a batch norm with a scale and a shift to train."""
    return any(isinstance(module, _BatchNorm) and module.affine for module in backbone.modules())


def freeze(backbone: nn.Module, how: str, first: int) -> None:
    """Ask for no gradient of what `model.freeze` names; `Network` keeps the statistics of its norms, too.

    Args:
        backbone: It is changed.
        how: `none`, `backbone`, `all_but_batchnorm` or `first_n`.
        first: `first_n` only: how many blocks.
    """
    if how in ("backbone", "all_but_batchnorm"):
        backbone.requires_grad_(False)
    if how == "all_but_batchnorm":
        for module in backbone.modules():
            if isinstance(module, _BatchNorm):
                module.requires_grad_(True)
    if how == "first_n":
        frozen = {name for names in blocks(backbone)[:first] for name in names}
        for name, parameter in backbone.named_parameters():
            parameter.requires_grad_(name not in frozen)


def hold(backbone: nn.Module) -> None:
    """Let every module whose parameters are all frozen run as in evaluation: statistics of its norms stay."""
    for module in backbone.modules():
        trained = [parameter.requires_grad for parameter in module.parameters()]
        if trained and not any(trained):
            module.eval()


def rate_fracs(backbone: nn.Module, first_frac: float) -> dict[str, float]:
    """Give block k of the b that are trained the rate first_frac^(1 - k / b), a share of the head's, which is block b.

    Args:
        backbone: Of timm, without classifier.
        first_frac: Share of the first block that is trained, in (0, 1]; 1 gives all the same rate, and asks timm for no
            blocks.

    Returns:
        The share of each parameter of these blocks, by name.

    Source: Howard and Ruder (2018), Universal Language Model Fine-tuning for Text Classification, section 3.2
    (discriminative fine-tuning); equal factors from block to block as in fastai's `slice(low, high)`.
    """
    if first_frac == 1:
        return {}
    trained = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    groups = [names for names in blocks(backbone) if trained.intersection(names)]
    return {name: first_frac ** (1 - k / len(groups)) for k, names in enumerate(groups) for name in names}
