"""The blocks of a backbone: which blocks are frozen, and the learning rate of the others."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from counterpoise.config import PATH, InputError

Blocks = tuple[tuple[str, ...], ...]
"""Names of the parameters of each block, in order from input to output."""


def blocks(backbone: nn.Module) -> Blocks:
    """Group the parameters of a backbone into blocks with timm's `group_matcher`: the stem, then each stage.

    Layers after the last stage belong to the last stage (the last convolution of EfficientNets), or form another block
    (the last norm of DenseNets).

    Args:
        backbone: A timm model without classifier.

    Returns:
        The names of all parameters, each in one block. `resnet18` has 5 blocks, `efficientnet_b0` 8, `densenet121` 6.

    Raises:
        InputError: timm does not define blocks for this backbone.
    """
    from timm.models import group_parameters

    matcher: Any = getattr(backbone, "group_matcher", None)
    if matcher is None:
        raise InputError(
            f"{PATH}: timm defines no blocks for model.backbone; set model.freeze to a value other than 'first_n', and "
            "train.first_rate_frac to 1, or choose another model.backbone"
        )
    return tuple(tuple(names) for _, names in sorted(group_parameters(backbone, matcher(coarse=True)).items()))


def has_batchnorm(backbone: nn.Module) -> bool:
    """Return whether the backbone has a batch norm with trainable scale and shift."""
    return any(isinstance(module, _BatchNorm) and module.affine for module in backbone.modules())


def freeze(backbone: nn.Module, how: str, first: int) -> None:
    """Turn off gradients for the layers that `model.freeze` selects.

    `Network` also freezes the running statistics of their norms.

    Args:
        backbone: Changed in place.
        how: `none`, `backbone`, `all_but_batchnorm` or `first_n`.
        first: `first_n` only: number of blocks to freeze.
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
    """Put every module whose parameters are all frozen into evaluation mode, so running statistics stay fixed."""
    for module in backbone.modules():
        trained = [parameter.requires_grad for parameter in module.parameters()]
        if trained and not any(trained):
            module.eval()


def rate_fracs(backbone: nn.Module, first_frac: float) -> dict[str, float]:
    """Compute layer-wise learning rates: block k of b trained blocks gets first_frac^(1 - k / b) of the head's rate.

    Blocks count from 0; the head would be block b.

    Args:
        backbone: A timm model without classifier.
        first_frac: Rate of the first trained block as a share of the head's rate, in (0, 1]. With 1 all rates are
            equal, and timm need not define blocks.

    Returns:
        Name of each parameter in these blocks -> its share of the head's rate.

    Source: Howard and Ruder (2018), Universal Language Model Fine-tuning for Text Classification, section 3.2
    (discriminative fine-tuning). Rates grow by equal factors from block to block, as in fastai's `slice(low, high)`.
    """
    if first_frac == 1:
        return {}
    trained = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    groups = [names for names in blocks(backbone) if trained.intersection(names)]
    return {name: first_frac ** (1 - k / len(groups)) for k, names in enumerate(groups) for name in names}
