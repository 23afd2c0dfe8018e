"""The sections of the report about boxes: found and missed objects, false alarms, and what the data has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from counterpoise.boxes.errors import KINDS
from counterpoise.boxes.matching import SIZES
from counterpoise.report.charts import errors as error_chart
from counterpoise.report.charts.box_curves import box_curves
from counterpoise.report.charts.box_places import CELLS, box_bars, box_places
from counterpoise.report.facts import Facts, counted, quote
from counterpoise.report.objects import Objects
from counterpoise.report.parts import Fold, Part, Table, drawn, shown_classes
from counterpoise.report.texts import PointEstimate, write_count, write_share, write_value

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {
    "average_precision": "average precision",
    "average_precision_50": "at IoU 0.5",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
"""Columns of the table of classes and of sizes."""
KIND_NAMES = {
    "wrong_class": "wrong class",
    "badly_placed": "badly placed (IoU below 0.5)",
    "both": "badly placed and wrong class",
    "duplicate": "a second box on an object",
    "background": "no object there",
    "missed": "missed objects",
}
SIZE_NAMES = {"small": "small, up to 32² px", "medium": "medium, up to 96² px", "large": "large, above 96² px"}


def outcome(facts: Facts, of: Objects) -> Part:
    """Say how many objects are found, missed and how many alarms are false, by class."""
    import pandas as pd

    found, missed, false = of.counts()
    images = len(facts.test.image_ids)
    total, alarms = found + missed, int(of.right.sum()) + false
    sentence = (
        f"{write_count(found)} of {counted(total, 'object')} in test are found, {write_count(missed)} are missed."
    )
    alarmed = f"{write_count(false)} of {counted(alarms, 'box', 'boxes')} are false alarms"
    texts = [f"{sentence} {alarmed}: {false / images:.2g} in an image on average{_per_area(facts)}."]
    own = of.counts(facts.positive)
    texts.append(
        f"Of {quote(facts.positive_name)}, {write_count(own[0])} of {write_count(own[0] + own[1])} are found, with "
        f"{counted(own[2], 'false alarm')}.{_how_sure(facts)}"
    )
    rows = [(facts.names[k], *of.counts(k)) for k in facts.shown]
    chart = error_chart.errors_by_class(
        pd.DataFrame(rows, columns=["class", "found", "missed", "alarms"]),
        title="Objects found and missed, and false alarms",
        description="; ".join(f"{name}: {error_chart.text_of(*row)}" for name, *row in rows),
        of="objects, and false alarms",
    )
    caption = (
        f"A box is right if it overlaps an object of its class by an IoU of at least {of.decision.iou:g}; a second box "
        f"on the same object is a false alarm. Row “all”: average precision is the mean over classes; precision, "
        f"recall and F1 count all boxes together.{shown_classes(facts)}"
    )
    return Part("boxes", "Objects found", tuple(texts), drawn(chart), caption, tables=(_by_class(facts),))


def curves(facts: Facts, of: Objects) -> Part:
    """Show precision, recall and false alarms per image at every threshold."""
    import pandas as pd

    names, images = [facts.names[k] for k in facts.shown], len(facts.test.image_ids)
    rows = []
    for k in facts.shown:
        found, missed, false = of.counts(k)
        recall = found / (found + missed) if found + missed else float("nan")
        precision = found / (found + false) if found + false else float("nan")
        rows.append((facts.names[k], recall, precision, false / images))
    points = pd.DataFrame(rows, columns=["class", "recall", "precision", "false_alarms"])
    words = "; ".join(f"{row[0]}: recall {write_value(row[1])}, precision {write_value(row[2])}" for row in rows)
    pr = _of_shown(facts.tables["detection_pr"], names)
    froc = _of_shown(facts.tables["detection_froc"], names)
    first = facts.positive_name
    charts = drawn(
        box_curves(
            pr,
            points,
            x="recall",
            y="precision",
            x_title="recall",
            y_title="precision",
            first=first,
            title="Precision and recall of boxes",
            description=words,
        ),
        box_curves(
            froc,
            points,
            x="false_alarms",
            y="recall",
            x_title="false alarms per image",
            y_title="recall",
            first=first,
            title="Recall against false alarms",
            description=words,
        ),
    )
    text = (
        "A lower threshold finds more objects and raises more false alarms. The dots are the decisions in force: "
        f"thresholds of rule “{of.decision.rule}”, chosen on validation."
    )
    return Part("box-curves", "Found objects against false alarms", (text,), charts, "At an IoU of 0.5, in test.")


def error_kinds(facts: Facts, of: Objects) -> Part:
    """Show what is wrong with false alarms."""
    import pandas as pd

    table = facts.tables["detection_errors"].groupby("kind")["count"].sum()
    rows = [(KIND_NAMES[kind], int(table.get(kind, 0))) for kind in (*KINDS, "missed")]
    frame = pd.DataFrame(rows[:-1], columns=["name", "count"])
    frame["text"] = [write_count(count) for count in frame["count"]]
    alarms = rows[:-1]
    name, most = max(alarms, key=lambda row: row[1])
    text = "There is no false alarm in test."
    if most:
        text = f"The most frequent false alarm is: {name} ({write_count(most)} of {sum(n for _, n in alarms):,})."
    unexplained = int(table.get("missed_without_a_box_nearby", 0))
    text += f" Of {counted(rows[-1][1], 'missed object')}, {write_count(unexplained)} have no wrong box nearby."
    chart = box_bars(
        frame,
        axis="boxes",
        color="alarm",
        title="What is wrong with false alarms",
        description="; ".join(f"{name}: {count}" for name, count in rows),
    )
    head = ("class", *(KIND_NAMES[kind] for kind in (*KINDS, "missed")))
    counts = facts.tables["detection_errors"].set_index(["class", "kind"])["count"]
    cells = tuple(
        (facts.names[k], *(write_count(int(counts.get((facts.names[k], kind), 0))) for kind in (*KINDS, "missed")))
        for k in facts.shown
    )
    fold = Fold("By class", (Table("Wrong boxes by their class, and missed objects", head, cells),))
    return Part("box-errors", "Kinds of errors", (text,), drawn(chart), row="box-details", folds=(fold,))


def sizes(facts: Facts) -> Part:
    """Show figures by the size of objects."""
    import pandas as pd

    table = _figures(facts, "")
    rows, cells = [], []
    for size, name in SIZE_NAMES.items():
        own = table[table["size"] == size].set_index("measure")
        objects = int(own["objects"].max()) if len(own) else 0
        recall = _estimate(own, "recall")
        rows.append((name, objects, f"{write_count(objects)}, recall {recall}"))
        cells.append((name, write_count(objects), *(_estimate(own, measure) for measure in MEASURES)))
    frame = pd.DataFrame(rows, columns=["name", "count", "text"])
    chart = box_bars(
        frame,
        axis="objects in test",
        color="compare",
        title="Objects in test by size",
        description="; ".join(f"{name}: {text}" for name, _, text in rows),
    )
    text = "Small objects are usually harder to find. The sizes are those of COCO, in pixels of the scene."
    figures = Table("Figures by size, with 95 % intervals", ("size", "objects", *MEASURES.values()), tuple(cells))
    return Part(
        "box-sizes", "By size", (text,), drawn(chart), row="box-details", folds=(Fold("All figures", (figures,)),)
    )


def density(facts: Facts) -> Part | None:
    """Say what precision is where objects are rarer: how frequent a class is means density here."""
    rows: list[tuple[str, ...]] = []
    for name in ("", facts.positive_name):
        own = _figures(facts, name)
        own = own[own["size"] == "all"].set_index("measure")
        rows += _densities(name or "all classes", own) if len(own) else []
    if not rows:
        return None
    on_ground = any(row[2] for row in rows)
    per_km = ", and per square kilometre" if on_ground else ""
    text = (
        f"How frequent a class is means density here: how many objects there are in an image on average{per_km}. "
        "Where objects are rarer, the same false alarms meet fewer objects, and fewer boxes are right. The table takes "
        "recall and false alarms from test, and changes the number of objects alone."
    )
    head: tuple[str, ...] = ("class and density", "objects per image", "per km²", "precision", "false alarms per image")
    if not on_ground:
        head, rows = (*head[:2], *head[3:]), [(*row[:2], *row[3:]) for row in rows]
    table = Table("Precision by density of objects, with 95 % intervals", head, tuple(rows))
    return Part("box-density", "At other densities", (text,), tables=(table,))


def _densities(name: str, own: pd.DataFrame) -> list[tuple[str, ...]]:
    """List densities of a class: class and density, objects per image and square kilometre, precision, false alarms."""
    values, alarms = own["value"].to_dict(), _estimate(own, "false_alarms_per_image")
    here = values["objects_per_image"]
    if not here:
        return []
    images = values.get("objects_per_square_km", 0.0) / here  # in a square kilometre
    cases = [
        ("as in test", here, "precision"),
        ("10 times rarer", here / 10, "precision_10x_rarer"),
        ("100 times rarer", here / 100, "precision_100x_rarer"),
    ]
    if "precision_as_stated" in values:
        cases.append(("as decide.density states", values["objects_per_image_stated"], "precision_as_stated"))
    return [
        (f"{name}, {place}", f"{per:.3g}", f"{per * images:.3g}" if images else "", _estimate(own, measure), alarms)
        for place, per, measure in cases
    ]


def in_data(facts: Facts, of: Objects) -> Part:
    """Show how many objects of each class there are, how large, and where in the image."""
    import pandas as pd

    labelled = of.labelled[of.labelled["ignore"] == 0]
    scene = "scene_id" if "scene_id" in facts.manifest else "image_id"
    shape = facts.manifest.drop_duplicates(scene).set_index(scene)[["width_px", "height_px"]]
    x, y = ((labelled[f"{axis}0_px"] + labelled[f"{axis}1_px"]) / 2 for axis in "xy")
    sides = shape.loc[labelled["image_id"]].to_numpy(dtype=np.float64)
    column, row = (
        np.minimum((np.asarray(centre) / side * CELLS).astype(np.int64), CELLS - 1)
        for centre, side in ((x, sides[:, 0]), (y, sides[:, 1]))
    )
    cells = pd.DataFrame({"column": column, "row": row}).value_counts().rename("count").reset_index()
    cells = cells.sort_values(["row", "column"], ignore_index=True)
    counts = labelled["label"].value_counts()
    rows = [(facts.names[k], int(counts.get(facts.names[k], 0))) for k in range(len(facts.names))]
    rows.sort(key=lambda pair: (-pair[1], pair[0]))
    bars = pd.DataFrame(rows, columns=["name", "count"])
    bars["text"] = [f"{write_count(count)} ({write_share(count / max(len(labelled), 1))})" for _, count in rows]
    listed = "; ".join(f"{name}: {count}" for name, count in rows)
    charts = drawn(
        box_bars(bars, axis="objects", color="compare", title="Objects by class", description=listed),
        box_places(
            cells,
            title="Where in the image objects lie",
            description=f"{len(labelled)} objects in a grid of {CELLS} x {CELLS} cells",
        ),
    )
    scarce, common = rows[-1], rows[0]
    text = f"The labels have {counted(len(labelled), 'object')} in {counted(len(shape), 'image')}."
    if scarce[1] and common[1] > scarce[1]:
        text += f" For each {quote(scarce[0])} there are {common[1] / scarce[1]:.3g} of {quote(common[0])}."
    table = Table("Size of objects in the data", ("class", "objects", *SIZE_NAMES.values()), size_rows(facts, labelled))
    caption = "Train, validation and test together, without ignored places."
    return Part("box-data", "Objects in the data", (text,), charts, caption, folds=(Fold("By size", (table,)),))


def size_rows(facts: Facts, labelled: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    """Count objects of each class by size: a row of name, number, and number of each size."""
    area = (labelled["x1_px"] - labelled["x0_px"]) * (labelled["y1_px"] - labelled["y0_px"])
    rows = []
    for name in facts.names:
        own = area[labelled["label"] == name]
        limits = [SIZES[size] for size in SIZE_NAMES]
        number = [int(((own > low if low else own >= 0) & (own <= high)).sum()) for low, high in limits]
        rows.append((name, write_count(len(own)), *map(write_count, number)))
    return tuple(rows)


def _figures(facts: Facts, name: str) -> pd.DataFrame:
    table = facts.tables["detection_sizes"]
    return table[table["class"] == name]


def _estimate(own: pd.DataFrame, measure: str) -> str:
    if measure not in own.index:
        return "n/a"
    return PointEstimate.from_row(own.loc[[measure]].iloc[0].to_dict()).text


def _by_class(facts: Facts) -> Table:
    rows = []
    for name in ("", *(facts.names[k] for k in facts.shown)):
        own = _figures(facts, name)
        own = own[own["size"] == "all"].set_index("measure")
        objects, units = (int(own[column].max()) if len(own) else 0 for column in ("objects", "units"))
        label = name or "all"
        figures = (_estimate(own, measure) for measure in MEASURES)
        rows.append((label, write_count(objects), write_count(units), *figures))
    head = ("class", "objects", "units", *MEASURES.values())
    return Table("Figures of boxes in test, with 95 % intervals", head, tuple(rows))


def _of_shown(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return table[table["class"].isin(names)].reset_index(drop=True)


def _per_area(facts: Facts) -> str:
    own = _figures(facts, "")
    own = own[own["measure"] == "false_alarms_per_square_km"]
    if not len(own):
        return ""
    return f", {own['value'].iloc[0]:.3g} per square kilometre"


def _how_sure(facts: Facts) -> str:
    own = _figures(facts, facts.positive_name)
    own = own[own["size"] == "all"].set_index("measure")
    spans = own.loc[own.index == "recall", ["low", "high"]].to_numpy(dtype=np.float64)
    if not np.isfinite(spans).all() or not len(spans):
        return " Test has too few units for an interval: of other scenes, this says little."
    low, high = spans[0].tolist()
    return f" In other scenes of this kind, between {write_share(low)} and {write_share(high)} would be found (95 %)."
