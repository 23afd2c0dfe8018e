"""Every figure again from the files alone with scikit-learn; what intervals and notes must say."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from counterpoise import config
from counterpoise.artifacts import classes, decision, predictions
from counterpoise.stages import decide, evaluate

REPOSITORY = Path(__file__).parents[2]
NAMES = ("common", "usual", "scarce", "rare")
Array = np.ndarray[Any, Any]


def a_problem(
    root: Path,
    seed: int = 0,
    *,
    counts: tuple[int, ...] = (200, 80, 40, 20),
    skill: float = 2.0,
    rule: str = "balanced",
    costs: dict[str, dict[str, float]] | None = None,
    target: Any = "natural",
    calibrator: str = "auto",
    copies: int = 1,
    grouped: bool = False,
    resamples: int = 200,
    positive: str | None = None,
) -> None:
    """Write predictions, let `decide` choose on validation, and score: each test image stands `copies` times."""
    names = NAMES[: len(counts)]
    rng = np.random.default_rng(seed)
    skew = rng.normal(size=len(names))

    def predict(numbers: tuple[int, ...], times: int) -> predictions.Predictions:
        targets = rng.permutation(np.repeat(np.arange(len(names)), numbers))
        logits = rng.normal(size=(len(targets), len(names))) + skill * np.eye(len(names))[targets] + skew
        targets, logits = np.repeat(targets, times), np.repeat(logits, times, axis=0)
        ids = [f"image{number:05d}" for number in range(len(targets))]
        groups = [f"group{number // times:05d}" for number in range(len(targets))] if grouped else ids
        labels = tuple(names[index] for index in targets)
        return predictions.Predictions(tuple(ids), tuple(groups), labels, names, logits.astype(np.float32))

    natural = tuple(2 * max(count, 1) for count in counts)
    predictions.write(root, "test", predict(counts, copies))
    choice = decide.Decide(calibrator=calibrator, target=target, rule=rule, costs=costs or {})  # type: ignore[arg-type]
    decision.write(root, decide.choose(predict(natural, 1), natural, (), choice))
    classes.write(root, classes.Classes(names, natural))
    score(root, resamples, positive)


def score(root: Path, resamples: int = 200, positive: str | None = None) -> None:
    evaluate.main(root, evaluate.Params(seed=0, evaluate=evaluate.Evaluate(positive=positive, resamples=resamples)))


def the_metrics(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "reports/metrics.json").read_text())
    return content


def the_table(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "reports/plots/classes.csv", keep_default_na=False, na_values={"value": [""]})


def used(root: Path) -> tuple[list[str], Array, Array, Array, Array]:
    """Classes, truth, most probable raw class, probabilities and decisions: files, NumPy and SciPy alone."""
    table = pq.read_table(root / "results/predictions/test.parquet").to_pandas()
    chosen = json.loads((root / "models/decision.json").read_text())
    names = chosen["classes"]
    z = table[[f"logit_{name}" for name in names]].to_numpy(dtype=np.float64)
    scale, bias = np.array(chosen["scale"]), np.array(chosen["bias"])
    offset = np.array(chosen["val_offset"]) + np.array(chosen["target_offset"])
    probs = softmax(scale * z + bias + offset, axis=1)
    truth = table["labels"].map(names.index).to_numpy()
    return names, truth, z.argmax(axis=1), probs, (probs @ np.array(chosen["gain"])).argmax(axis=1)


def calibration_error(probs: Array, truth: Array, bins: int = 15) -> float:
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == truth
    total = 0.0
    for low in np.arange(bins) / bins:
        inside = (confidence > low) & (confidence <= low + 1 / bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def recomputed(root: Path, positive: str) -> dict[str, float]:
    names, truth, raw, probs, decided = used(root)
    present, index = np.unique(truth), names.index(positive)
    is_positive, says_positive = truth == index, decided == index
    means: dict[str, Any] = {"labels": present, "average": "macro", "zero_division": 0}
    found = {
        "accuracy": sklearn_metrics.accuracy_score(truth, decided),
        "balanced_accuracy": sklearn_metrics.recall_score(truth, decided, **means),
        "balanced_accuracy_raw": sklearn_metrics.recall_score(truth, raw, **means),
        "macro_f1": sklearn_metrics.f1_score(truth, decided, **means),
        "matthews": sklearn_metrics.matthews_corrcoef(truth, decided),
        "expected_calibration_error": calibration_error(probs, truth),
        "brier_score": ((probs - np.eye(len(names))[truth]) ** 2).sum(axis=1).mean(),
        "no_skill_average_precision": is_positive.mean(),
        "test_images": len(truth),
        "test_positives": is_positive.sum(),
    }
    if len(present) == len(names):
        assert found["balanced_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, decided))
    if is_positive.any():
        found["average_precision"] = sklearn_metrics.average_precision_score(is_positive, probs[:, index])
        found["roc_auc"] = sklearn_metrics.roc_auc_score(is_positive, probs[:, index])
        found["recall"] = sklearn_metrics.recall_score(is_positive, says_positive)
    if says_positive.any():
        found["precision"] = sklearn_metrics.precision_score(is_positive, says_positive)
    return {name: float(value) for name, value in found.items()}


def check_everything(root: Path, positive: str) -> None:
    found = the_metrics(root)
    spans = found.pop("intervals")
    found.pop("notes")
    expected = recomputed(root, positive)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=5.01e-4, abs=1e-9), name
    assert set(spans) == set(found) - {"no_skill_average_precision", "test_images", "test_positives"}
    check_classes(root)
    names, truth, _, _, decided = used(root)
    written = pd.read_csv(root / "reports/plots/confusion.csv", keep_default_na=False)
    assert written["actual"].tolist() == [names[index] for index in truth]
    assert written["decided"].tolist() == [names[index] for index in decided]


def check_classes(root: Path) -> None:
    names, truth, _, probs, decided = used(root)
    rows: dict[Any, Any] = the_table(root).set_index(["class", "measure"]).to_dict(orient="index")
    assert len(rows) == 3 * len(names)
    for index, name in enumerate(names):
        actual, says = truth == index, decided == index
        among = {"precision": says.sum(), "recall": actual.sum(), "average_precision": actual.sum()}
        values = {"precision": np.nan, "recall": np.nan, "average_precision": np.nan}
        if says.any():
            values["precision"] = sklearn_metrics.precision_score(actual, says)
        if actual.any():
            values["recall"] = sklearn_metrics.recall_score(actual, says)
            values["average_precision"] = sklearn_metrics.average_precision_score(actual, probs[:, index])
        for measure, value in values.items():
            row = rows[name, measure]
            assert float(row["value"]) == pytest.approx(value, rel=1e-5, abs=1e-9, nan_ok=True), (name, measure)
            assert int(row["count"]) == among[measure]
            if measure != "recall":
                assert float(row["no_skill"]) == pytest.approx(actual.mean(), rel=1e-5)


PROBLEMS: dict[str, dict[str, Any]] = {
    "two classes": {"counts": (150, 15)},
    "two classes, most probable": {"counts": (150, 15), "rule": "most_probable", "calibrator": "none"},
    "four classes": {},
    "four classes, most probable": {"rule": "most_probable"},
    "four classes, vector": {"calibrator": "vector"},
    "four classes, least cost": {"rule": "least_cost", "costs": {"rare": {"common": 30.0, "usual": 8.0}}},
    "four classes, another deployment": {
        "target": {"common": 0.97, "usual": 0.01, "scarce": 0.01, "rare": 0.01},
    },
    "a class is absent from test": {"counts": (120, 60, 0, 12)},
    "the class that matters is absent from test": {"counts": (120, 60, 20, 0), "positive": "rare"},
    "the class that matters is never decided": {"skill": 0.0, "rule": "most_probable", "counts": (400, 9, 9, 5)},
    "another class matters": {"positive": "usual"},
    "images come in groups": {"grouped": True, "copies": 4},
    "no skill": {"skill": 0.0},
    "all is right": {"skill": 60.0, "counts": (30, 20, 10)},
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_figure_can_be_recomputed_from_the_files_with_scikit_learn(name: str, seed: int, tmp_path: Path) -> None:
    settings = PROBLEMS[name]
    a_problem(tmp_path, seed, **settings)
    default = NAMES[: len(settings.get("counts", NAMES))][-1]
    if name == "a class is absent from test":
        default = "scarce"  # natural counts of 2: the rarest of the manifest
    check_everything(tmp_path, settings.get("positive") or default)


def test_every_figure_of_the_built_problem_can_be_recomputed() -> None:
    needed = ("reports/metrics.json", "results/predictions/test.parquet", "models/decision.json", "data/classes.json")
    missing = [path for path in needed if not (REPOSITORY / path).exists()]
    if missing:
        pytest.skip(f"the problem of this repository is not built: {missing} do not exist")
    found = json.loads((REPOSITORY / "data/classes.json").read_text())
    counts = dict(zip(found["names"], found["counts"], strict=True))
    rarest = min(reversed(found["names"]), key=lambda name: counts[name])
    stated = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["evaluate"]["positive"]
    check_everything(REPOSITORY, stated or rarest)


def test_shares_of_independent_images_have_wilsons_interval(tmp_path: Path) -> None:
    a_problem(tmp_path)
    names, truth, _, _, decided = used(tmp_path)
    table = the_table(tmp_path).set_index(["class", "measure"])
    for index, name in enumerate(names):
        found = int(((truth == index) & (decided == index)).sum())
        oracle = binomtest(found, int((truth == index).sum())).proportion_ci(method="wilson")
        assert tuple(table.loc[(name, "recall"), ["low", "high"]]) == pytest.approx(tuple(oracle), rel=1e-5)
    right = int((truth == decided).sum())
    oracle = binomtest(right, len(truth)).proportion_ci(method="wilson")
    assert the_metrics(tmp_path)["intervals"]["accuracy"] == pytest.approx(list(oracle), rel=5.01e-4)


def test_none_of_n_found_is_no_point(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(400, 9, 9, 5), skill=0.0, rule="most_probable", calibrator="vector")
    rows = the_table(tmp_path)
    recalls = rows[rows["measure"] == "recall"]
    none = recalls[(recalls["value"] == 0) & (recalls["count"] > 0)]
    assert len(none)
    assert (none["low"].astype(float) == 0).all()
    assert (none["high"].astype(float) > 0.1).all()


def test_all_right_is_no_point_either(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(30, 20, 10), skill=60.0)
    rows = the_table(tmp_path)
    shares = rows[rows["measure"] != "average_precision"]
    assert (shares["value"] == 1).all()
    assert (shares["low"].astype(float) < 0.95).all()


@pytest.mark.parametrize("name", PROBLEMS)
def test_intervals_bracket_their_values(name: str, tmp_path: Path) -> None:
    a_problem(tmp_path, seed=3, **PROBLEMS[name])
    found = the_metrics(tmp_path)
    for figure, (low, high) in found["intervals"].items():
        if figure != "expected_calibration_error":  # resampling adds to it, so that its interval may lie above
            assert low <= found[figure] <= high, figure


def test_at_most_15_scalars_of_four_significant_digits(tmp_path: Path) -> None:
    a_problem(tmp_path)
    found = the_metrics(tmp_path)
    scalars = [name for name, value in found.items() if isinstance(value, int | float)]
    assert len(scalars) <= 15
    assert set(found) - set(scalars) == {"intervals", "notes"}
    for number in re.findall(r"(?<![\w'])-?\d+\.\d+(?:e-?\d+)?", (tmp_path / "reports/metrics.json").read_text()):
        digits = number.lstrip("-").split("e")[0].replace(".", "").lstrip("0")
        assert len(digits) <= 4, number


def test_intervals_widen_with_fewer_positives(tmp_path: Path) -> None:
    widths = {}
    for positives in (300, 30, 10):
        root = tmp_path / str(positives)
        a_problem(root, counts=(3 * positives, positives), skill=1.0)
        spans = the_metrics(root)["intervals"]
        widths[positives] = np.array([spans[name][1] - spans[name][0] for name in ("recall", "average_precision")])
    assert (2 * widths[300] < widths[30]).all()
    assert (1.2 * widths[30] < widths[10]).all()


def test_groups_widen_every_interval(tmp_path: Path) -> None:
    a_problem(tmp_path / "grouped", grouped=True, copies=6)
    a_problem(tmp_path / "alone", grouped=False, copies=6)
    grouped, alone = the_metrics(tmp_path / "grouped"), the_metrics(tmp_path / "alone")
    for figure, (low, high) in alone["intervals"].items():
        assert grouped[figure] == alone[figure]
        wide = grouped["intervals"][figure]
        assert wide[1] - wide[0] > 1.5 * (high - low), figure


def test_a_resample_without_the_class_is_noted(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(80, 2), resamples=400)
    notes = [note for note in the_metrics(tmp_path)["notes"] if note.startswith("average_precision:")]
    found = re.fullmatch(r"average_precision: (\d+) of 400 resamples left out.*absent.*", notes[0])
    assert found
    assert int(found[1]) == pytest.approx(400 * np.exp(-2), abs=30)  # (1 - 2 / 82)^82 is near e^-2


def test_means_over_resamples_that_lack_another_class_are_noted(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(80, 40, 2), positive="usual", resamples=400)
    notes = the_metrics(tmp_path)["notes"]
    assert not [note for note in notes if note.startswith("average_precision:")]
    (note,) = (note for note in notes if note.startswith("balanced_accuracy, macro_f1:"))
    assert int(note.split(": ")[1].split()[0]) == pytest.approx(400 * np.exp(-2), abs=30)


def test_a_class_that_is_never_decided_has_no_precision_and_the_note_says_why(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(400, 9, 9, 5), skill=0.0, rule="most_probable", calibrator="vector")
    found = the_metrics(tmp_path)
    assert "precision" not in found
    assert found["recall"] == 0
    assert "precision is undefined: it is never decided" in found["notes"]


def test_enough_images_of_each_class_need_no_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_problem(tmp_path)
    assert len(the_metrics(tmp_path)["notes"]) == 2
    assert "WARNING" not in capsys.readouterr().err


def test_a_class_without_test_images_is_noted_and_its_figures_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_problem(tmp_path, counts=(120, 60, 20, 0), positive="rare")
    found = the_metrics(tmp_path)
    assert not {"recall", "average_precision", "roc_auc"} & set(found)
    assert not {"recall", "average_precision", "roc_auc"} & set(found["intervals"])
    assert any("without a test image" in note and "'rare'" in note for note in found["notes"])
    assert any(note.startswith("recall is undefined") for note in found["notes"])
    assert "WARNING: recall is undefined" in capsys.readouterr().err


def test_shares_that_are_not_those_of_deployment_are_noted(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(50, 50), target={"common": 0.99, "usual": 0.01})
    assert any("not those of the target prior" in note for note in the_metrics(tmp_path)["notes"])


def test_an_unknown_class_that_matters_is_refused_with_the_nearest(tmp_path: Path) -> None:
    a_problem(tmp_path)
    with pytest.raises(config.InputError, match=r"evaluate\.positive is 'rear'; .* did you mean 'rare'"):
        score(tmp_path, positive="rear")


def test_scoring_twice_writes_equal_bytes_and_another_seed_other_intervals(tmp_path: Path) -> None:
    a_problem(tmp_path)
    path = tmp_path / "reports/metrics.json"
    first = path.read_bytes()
    score(tmp_path)
    assert path.read_bytes() == first
    settings = evaluate.Evaluate(positive=None, resamples=200)
    evaluate.main(tmp_path, evaluate.Params(seed=1, evaluate=settings))
    assert path.read_bytes() != first


def test_the_curve_of_the_class_that_matters_is_scikit_learns(tmp_path: Path) -> None:
    a_problem(tmp_path)
    names, truth, _, probs, _ = used(tmp_path)
    index = names.index("rare")
    precision, recall, _ = sklearn_metrics.precision_recall_curve(truth == index, probs[:, index])
    curve = pd.read_csv(tmp_path / "reports/plots/precision_recall.csv")
    np.testing.assert_allclose(curve["precision"], precision[:-1], rtol=1e-5)
    np.testing.assert_allclose(curve["recall"], recall[:-1], rtol=1e-5, atol=1e-9)


def test_the_calibration_plot_counts_every_image_twice_raw_and_calibrated(tmp_path: Path) -> None:
    a_problem(tmp_path)
    table = pd.read_csv(tmp_path / "reports/plots/calibration.csv")
    assert table.groupby("way")["count"].sum().to_dict() == {"raw": 340, "calibrated": 340}
    gaps = (table["predicted"] - table["observed"]).abs() * table["count"] / 340
    error = float(gaps[table["way"] == "calibrated"].sum())
    assert error == pytest.approx(the_metrics(tmp_path)["expected_calibration_error"], rel=1e-3)
