"""The console script `counterpoise`, for people; the pipeline itself runs by `dvc repro`."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from counterpoise import config, losses, sources
from counterpoise.config import InputError
from counterpoise.stages import check
from counterpoise.storage import ArtifactError

SHARED = {
    "task": "What the labels mean: multiclass, exactly one class per image; multilabel, any number of them.",
    "loss": "Name of a file of losses/; its parameters stand under losses.<name>.",
    "seed": "Decides split, views, draws and resamples; at least 0. Training has its own, train.seed.",
}
"""The scalars at the top of `params.yaml`, which have no section that could explain them."""


def explain(content: Mapping[str, Any]) -> Iterator[tuple[str, object, str]]:
    """List every parameter with its value and its meaning.

    Args:
        content: What `config.load` read.

    Yields:
        Dotted name, value, and type, range and meaning as one text, in the order of `params.yaml`.
    """
    owners = {**check.SHARED, **check.sections()}
    for name, value in content.items():
        if name in SHARED:
            yield name, value, SHARED[name]
        elif name == "losses":
            for loss, block in value.items():
                yield from _section(losses.module(loss).Params, block, f"losses.{loss}")
        elif owners.get(name) is not None:
            yield from _section(owners[name], value, name)


def _section(
    section: type[BaseModel] | None, block: Mapping[str, Any], where: str
) -> Iterator[tuple[str, object, str]]:
    if section is None:
        return
    for name, field in section.model_fields.items():
        dotted, value = f"{where}.{name}", block.get(name)
        if dotted == "ingest.sources":
            for source, its in block[name].items():
                yield from _section(sources.find(source).Params, its, f"{dotted}.{source}")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _section(field.annotation, value or {}, dotted)
        else:
            yield dotted, value, " ".join(filter(None, [_meaning(field), _allowed(section, name)]))


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").replace("`", "").split())


def _allowed(section: type[BaseModel], name: str) -> str:
    """Write what a field accepts, from the JSON schema that pydantic derives."""
    schema = section.model_json_schema()["properties"][name]
    words = []
    for option in schema.get("anyOf", [schema]):
        if "enum" in option or "const" in option:
            words.append(" | ".join(map(str, option.get("enum", [option.get("const")]))))
        elif "type" in option:
            words.append("null" if option["type"] == "null" else str(option["type"]))
    return f"[{' | '.join(words)}]" if words else ""


def show_params(wanted: list[str]) -> str:
    """Write the parameters whose name begins with one of `wanted`, or all.

    Raises:
        InputError: `params.yaml` is unreadable or faulty, or nothing bears a name that is wanted.
    """
    content = config.load(Path.cwd())
    if faults := check.problems(content):
        raise InputError("\n".join(faults))
    every = list(explain(content))
    for name in wanted:
        if not any(_within(dotted, name) for dotted, _, _ in every):
            tops = list(dict.fromkeys(dotted.split(".")[0] for dotted, _, _ in every))
            raise InputError(f"{config.PATH} has no {name!r}; {config.suggest(name, tops)}")
    lines = []
    for dotted, value, meaning in every:
        if not wanted or any(_within(dotted, name) for name in wanted):
            lines.append(f"{dotted} = {'null' if value is None else value}")
            lines += textwrap.wrap(meaning, 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _within(dotted: str, name: str) -> bool:
    return dotted == name or dotted.startswith(f"{name}.")


def show_answers(images: list[str], top: int) -> str:
    """Write what the built model says of images: the classes decided for, and the most probable ones.

    Raises:
        InputError: `params.yaml` is faulty, or an image cannot be read.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.deployment import predictor  # imports torch

    content = config.load(Path.cwd())
    if faults := check.problems(content):
        raise InputError("\n".join(faults))
    lines = []
    for said in predictor.answer(Path.cwd(), [Path(image) for image in images], content, top):
        lines.append(f"{said.image}: {', '.join(said.decided) or 'none reaches its threshold'}")
        lines += [f"    {prob:6.3f}  {name}" for name, prob in said.ranked]
    return "\n".join(lines)


def write_logits(images: list[str], out: str) -> str:
    """Write raw logits of images that nobody labelled, for `decide.target: estimated`.

    Args:
        images: Image files; of a folder, every file below it whose name does not begin with a dot.
        out: Parquet file to write.

    Returns:
        What was written.

    Raises:
        InputError: `params.yaml` is faulty, or an image cannot be read.
        ArtifactError: There is no model yet, or an image is named twice.
    """
    from counterpoise.artifacts import model, predictions, unlabelled
    from counterpoise.deployment import predictor  # imports torch

    root = Path.cwd()
    content = config.load(root)
    if faults := check.problems(content):
        raise InputError("\n".join(faults))
    paths = [path for image in images for path in _files(Path(image))]
    if not paths:
        raise InputError(f"no image in {images}")
    card = model.read_card(root)
    rows = predictor.logits(root, paths, content)
    found = unlabelled.Unlabelled(tuple(map(str, paths)), card.classes, rows, predictions.fingerprint(root, "val"))
    unlabelled.write(Path(out), found)
    return f"{out}: raw logits of {len(paths)} images"


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))


def show_learning_curve(shares: list[str], replicates: int, out: str | None) -> str:
    """Write what more labels would bring; draw it into the file `out`, if one is given.

    Raises:
        InputError: `params.yaml` is faulty, or a number is no number or out of range.
        ArtifactError: The pipeline was not run yet.
    """
    from counterpoise.study import (
        learning_curve,  # imports torch
        learning_curve_report,
    )

    content = config.load(Path.cwd())
    if faults := check.problems(content):
        raise InputError("\n".join(faults))
    try:
        asked = [Fraction(share) for share in shares] or list(learning_curve.FRACTIONS)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"--fractions: found {shares}; expected numbers such as 1/4 or 0.25") from error
    if out is not None and not Path(out).absolute().parent.is_dir():
        raise InputError(f"--out: there is no folder {Path(out).parent}")
    found = learning_curve.measure(learning_curve.read(Path.cwd(), content), asked, replicates)
    if out is not None:
        Path(out).write_text(learning_curve_report.chart(found), encoding="utf-8")
    return learning_curve_report.table(found)


def main(arguments: list[str] | None = None) -> None:
    """Run a command of the console script."""
    parser = argparse.ArgumentParser(
        prog="counterpoise",
        description="Commands for people. The pipeline itself runs by `dvc repro`, from the top of the repository.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    params = commands.add_parser("params", help="say what every parameter of params.yaml means, and what it accepts")
    params.add_argument("name", nargs="*", help="a section or parameter, such as `train` or `train.epochs`")
    predict = commands.add_parser("predict", help="say what the built model sees in images of your own")
    predict.add_argument("image", nargs="+", help="image files")
    predict.add_argument("--top", type=int, default=3, metavar="K", help="name the K most probable classes; 3")
    predict.add_argument(
        "--logits",
        metavar="FILE",
        help="write raw logits to this parquet file instead, for decide.target: estimated; a folder means its files",
    )
    curve = commands.add_parser("learning-curve", help="say with an interval what twice the labels would bring")
    curve.add_argument(
        "--fractions", nargs="+", default=[], metavar="F", help="parts of train to learn from; 1/8 1/4 1/2 1"
    )
    curve.add_argument("--replicates", type=int, default=5, metavar="R", help="trainings on each of them; 5")
    curve.add_argument("--out", metavar="FILE", help="an SVG file to draw the curves into")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "params":
            print(show_params(chosen.name))
        elif chosen.command == "learning-curve":
            print(show_learning_curve(chosen.fractions, chosen.replicates, chosen.out))
        elif chosen.logits is not None:
            print(write_logits(chosen.image, chosen.logits))
        else:
            print(show_answers(chosen.image, chosen.top))
    except (InputError, ArtifactError) as error:
        sys.exit(f"\n{error}\n")


if __name__ == "__main__":
    main()
