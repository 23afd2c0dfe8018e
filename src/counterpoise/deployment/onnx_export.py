"""A built model as an ONNX graph, with a file that says how to use it without this package."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterpoise import storage, tasks
from counterpoise.artifacts import decision as decision_file
from counterpoise.calibration import calibrators
from counterpoise.config import InputError
from counterpoise.deployment import onnx_boxes, onnx_classes
from counterpoise.deployment.built import Built
from counterpoise.deployment.onnx_check import Check
from counterpoise.networks.backbones import normalisation
from counterpoise.networks.onnx_graph import EXPECTED_WARNINGS, OPSET

GRAPH, SAYS = "model.onnx", "model.json"
CARD = "reports/model_card.md"
FORMAT = 1
"""Version of what `model.json` holds."""


def write(of: Built, out: Path) -> Check:
    """Export a model into a new folder, whole or not at all.

    Args:
        of: The built model.
        out: The folder.

    Returns:
        How well the graph agrees with PyTorch.

    Raises:
        InputError: The model cannot be exported, or its graph does not agree with PyTorch.
        OSError: The folder cannot be written.
    """
    kind = onnx_boxes if of.boxes else onnx_classes
    if refusal := kind.refuses(of):
        raise InputError(f"this model cannot be exported: {refusal}")
    network = kind.network(of)
    content = graph(network, kind.example(of), kind.OUTPUTS, batches=kind.BATCHES)
    session = opened(content)
    found: Check = kind.check(of, session)
    with storage.replacing(out, folder=True, sums=out / "export.sums") as folder:
        (folder / GRAPH).write_bytes(content)
        storage.write_json(folder / SAYS, says(of, kind.OUTPUTS, found))
        if (of.root / CARD).is_file():
            shutil.copyfile(of.root / CARD, folder / Path(CARD).name)
    return found


def graph(network: nn.Module, example: Tensor, outputs: Sequence[str], *, batches: bool) -> bytes:
    """Write a network as an ONNX graph.

    Args:
        network: From images to the outputs.
        example: Images to trace it with.
        outputs: Names of the outputs.
        batches: Whether it takes any number of images; else as many as the example, with any number of rows out.

    Raises:
        InputError: A part of it has no counterpart in ONNX.
    """
    buffer, rows = io.BytesIO(), {name: {0: "n"} for name in outputs}
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            if not batches:  # of detectors, tracing warns of every loop over levels; the comparison finds what differs
                warnings.simplefilter("ignore")
            for category, beginning in EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", beginning, category)
            torch.onnx.export(
                network.eval(),
                (example,),
                buffer,  # type: ignore[arg-type]  # it takes file objects, but does not declare them
                dynamo=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=list(outputs),
                dynamic_axes=rows | {"images": {0: "n"}} if batches else rows,
            )
    except Exception as error:  # what an operator without a counterpart in ONNX raises has no common base
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"this model cannot be exported: ONNX cannot express a part of it: {lines[0]}") from error
    return buffer.getvalue()


def opened(content: bytes) -> Any:  # noqa: ANN401 - a session of onnxruntime, which has no types
    """Open a graph with ONNX Runtime.

    Raises:
        InputError: ONNX Runtime cannot compute it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # those of ONNX Runtime have no common base
        raise InputError(f"this model cannot be exported: ONNX Runtime cannot compute it: {error}") from error


def says(of: Built, outputs: Sequence[str], found: Check) -> dict[str, Any]:
    """Collect all that a program needs besides the graph."""
    mean, std = normalisation(of.card.backbone)
    content: dict[str, Any] = {
        "format": FORMAT,
        "written_by": f"counterpoise {metadata.version('counterpoise')}",
        "task": of.card.task,
        "classes": list(of.card.classes),
        "positive": of.decision.positive,
        "input": {
            "name": "images",
            "size_px": of.card.input_px,
            "colours": "RGB",
            "layout": "(n, 3, height, width), float32",
            "scale": 1 / 255,
            "mean": list(mean),
            "std": list(std),
            "resize": onnx_boxes.RESIZE if of.boxes else onnx_classes.RESIZE,
        },
        "pixels": asdict(of.card.pixels),
        "tile": {
            "size_px": of.content["tile"]["size_px"],
            "overlap_px": of.content["tile"]["overlap_px"],
            "aggregate": of.content["predict"]["aggregate"],
        },
        "outputs": list(outputs),
        "decision": boxes_say(of) if of.boxes else classes_say(of.decision),
        "checked": asdict(found),
    }
    return content


def classes_say(decided: decision_file.Decision) -> dict[str, Any]:
    """Write how logits become probabilities and classes."""
    offset = np.array(decided.val_offset) + np.array(decided.target_offset)
    return {
        "link": tasks.find(decided.task).LINK,
        "calibrator": decided.calibrator,
        "scale": list(decided.scale),
        "bias": list(decided.bias),
        "offset": offset.tolist(),
        "knots": [{"logit": list(places), "prob": list(values)} for places, values in decided.knots],
        "one_vs_rest": decided.calibrator in calibrators.of_task(decided.task).ONE_VS_REST,
        "prior": dict(zip(decided.classes, decided.target, strict=True)),
        "rule": decided.rule,
        "gain": [list(row) for row in decided.gain],
        "thresholds": list(decided.thresholds),
        "at_least": decided.at_least,
    }


def boxes_say(of: Built) -> dict[str, Any]:
    """Write how scores of boxes become probabilities, and which boxes are decided for."""
    boxes = of.decision.boxes
    assert boxes is not None
    merging: Mapping[str, Any] = of.content["predict"]
    return {
        "link": "sigmoid",
        "calibrator": boxes.calibrator,
        "scale": list(boxes.scale),
        "bias": list(boxes.bias),
        "offset": list(boxes.offset),
        "knots": [{"logit": list(places), "prob": list(values)} for places, values in boxes.knots],
        "rule": boxes.rule,
        "thresholds": list(boxes.thresholds),
        "merging": {
            name: merging[name] for name in ("merge", "match", "overlap", "edge_px", "edge_factor", "min_score")
        },
    }
