"""Templates are up to date, DVC fills them, and a renderer of Vega-Lite 5 draws them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import vl_convert
import yaml
from dvc_render.vega import VegaRenderer

from counterpoise.artifacts import plots
from counterpoise.report.charts import templates
from counterpoise.study import summary

ROOT = Path(__file__).parents[3]
OLDEST = "5.8"
"""The oldest version of Vega-Lite that vl-convert contains. DVC's page loads 5.2."""
ROWS: dict[str, list[dict[str, Any]]] = {
    "precision_recall": [{"recall": "1", "precision": "0.1"}, {"recall": "0.5", "precision": "0.4"}],
    "calibration": [
        {"way": way, "predicted": "0.3", "observed": "0.4", "low": low, "high": low and "0.6", "count": "30"}
        for way in ("raw", "calibrated")
        for low in ("0.2", "")
    ],
    "classes": [
        {"class": name, "measure": measure, "value": "0.3", "low": low, "high": low and "0.5", "count": "9"}
        for name in ("a", "b")
        for measure, low in (("precision", "0.1"), ("recall", ""))
    ],
    "differences": [
        {"arm": name, "control": "plain", "word": "worse", "difference": "-0.2", "low": "-0.3", "high": "-0.1"}
        for name in ("a", "b")
    ],
}
AXES = {
    "precision_recall": ("recall", "precision"),
    "calibration": ("predicted", "observed"),
    "classes": ("value", "class"),
    "differences": ("difference", "arm"),
}


@pytest.mark.parametrize("name", templates.TEMPLATES)
def test_the_folder_of_dvc_has_the_template_of_the_code(name):
    written = json.loads((ROOT / templates.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert written == templates.TEMPLATES[name](), "run `python -m counterpoise.report.charts.templates`"


def test_dvc_yaml_names_every_template_and_the_columns_exist():
    defined = {
        name: plot
        for path in ("dvc.yaml", "study/dvc.yaml")
        for entry in yaml.safe_load((ROOT / path).read_text())["plots"]
        for name, plot in entry.items()
    }
    columns = {**plots.COLUMNS, "differences": summary.COLUMNS}
    used = {plot["template"]: name for name, plot in defined.items() if "template" in plot}
    assert set(templates.TEMPLATES) <= set(used)
    for name, template in templates.TEMPLATES.items():
        fields = set(re.findall(r'"field": "(\w+)"', json.dumps(template()))) - {"rev"}
        assert fields <= set(columns[used[name]])


@pytest.mark.parametrize("name", templates.TEMPLATES)
def test_dvc_fills_a_template_with_two_revisions_and_an_old_version_draws_it(name):
    rows = [{**row, "rev": rev} for rev in ("workspace", "HEAD") for row in ROWS[name]]
    x, y = AXES[name]
    renderer = VegaRenderer(
        rows, name, template=name, template_dir=str(ROOT / templates.FOLDER), title="The title", x=x, y=y
    )
    filled = renderer.get_filled_template()
    assert "<DVC_METRIC" not in json.dumps(filled)
    svg = vl_convert.vegalite_to_svg(filled, vl_version=OLDEST)
    assert "The title" in svg
    assert {"workspace", "HEAD"} <= set(re.findall(r">([\w ]+)</text>", svg))
    assert "NaN" not in svg
    assert {"#945dd6", "#13adc7"} <= set(re.findall(r'"(#\w{6})"', svg)), "the colours of DVC's revisions"


def test_a_bin_without_interval_has_no_line():
    rows = [{**row, "rev": "HEAD"} for row in ROWS["calibration"]]
    filled = json.loads(
        json.dumps(templates.calibration()).replace('"<DVC_METRIC_COLOR>"', '{"field": "rev", "type": "nominal"}')
    )
    filled["data"]["values"] = rows
    svg = vl_convert.vegalite_to_svg(filled, vl_version=OLDEST)
    assert svg.count('aria-roledescription="rule mark"') == 2, "one line for raw, one for calibrated"
    assert svg.count('aria-roledescription="point"') == 4


def test_writing_makes_one_file_per_template(tmp_path):
    templates.write(tmp_path)
    assert {path.stem for path in (tmp_path / templates.FOLDER).iterdir()} == set(templates.TEMPLATES)
