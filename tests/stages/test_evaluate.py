"""Every figure again from the files alone with scikit-learn; what intervals and notes must say."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, logsumexp, softmax
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from counterpoise.artifacts import decision, predictions, prior
from counterpoise.artifacts.positive import Positive
from counterpoise.calibration import prior_ledger
from counterpoise.stages import decide, evaluate

REPOSITORY = Path(__file__).parents[2]
NAMES = ("common", "usual", "scarce", "rare")
PREVALENCES = (0.2, 0.01)
REST = {
    "beta": 1.0,
    "floor": 0.8,
    "false_alarms": 1.0,
    "unlabelled": "data/unlabelled",
    "at_least": 0,
    "min_positives": 10,
    "search_positives": 1000,
    "density": {},
}
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
    choice = decide.Decide.model_validate(
        {"calibrator": calibrator, "target": target, "rule": rule, "costs": costs or {}} | REST
    )
    opened = prior.Prior("multiclass", names, natural, natural, natural, *3 * (sum(natural),), ())
    asked = decide.Matters(Positive(positive or names[-1], "as the rarest class"), PREVALENCES)
    decision.write(root, decide.choose(predict(natural, 1), opened, (), choice, asked))
    score(root, resamples)


def score(root: Path, resamples: int = 200, seed: int = 0) -> None:
    asked = evaluate.Evaluate(positive=None, at_prevalence=PREVALENCES, resamples=resamples)
    evaluate.main(root, evaluate.Params(seed=seed, evaluate=asked))


def the_metrics(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "reports/metrics.json").read_text())
    return content


def the_table(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "reports/plots/classes.csv", keep_default_na=False, na_values={"value": [""]})


def own_probs(stored: dict[str, Any], inputs: Array) -> Array:
    """Read a probability of each class or label off its own line or curve, (n, c), before any offset."""
    probs: Array = expit(np.array(stored["scale"]) * inputs + np.array(stored["bias"]))
    for index, (places, values) in enumerate(stored["knots"]):
        if places:
            probs[:, index] = np.interp(inputs[:, index], places, values)
    return probs


def used(root: Path) -> tuple[list[str], Array, Array, Array, Array]:
    """Classes, truth, most probable raw class, probabilities and decisions: files, NumPy and SciPy alone."""
    table = pq.read_table(root / "results/predictions/test.parquet").to_pandas()
    stored = json.loads((root / "models/decision.json").read_text())
    names = stored["classes"]
    z = table[[f"logit_{name}" for name in names]].to_numpy(dtype=np.float64)
    offset = np.array(stored["val_offset"]) + np.array(stored["target_offset"])
    if stored["calibrator"] in ("platt", "isotonic"):
        rest = [logsumexp(np.delete(z, k, axis=1), axis=1) for k in range(len(names))]
        weighed = own_probs(stored, z - np.stack(rest, axis=1)) * np.exp(offset)
        probs = weighed / weighed.sum(axis=1, keepdims=True)
    else:
        probs = softmax(np.array(stored["scale"]) * z + np.array(stored["bias"]) + offset, axis=1)
    truth = table["labels"].map(names.index).to_numpy()
    return names, truth, z.argmax(axis=1), probs, (probs @ np.array(stored["gain"])).argmax(axis=1)


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
    figures = {
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
        assert figures["balanced_accuracy"] == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, decided))
    if is_positive.any():
        figures["average_precision"] = sklearn_metrics.average_precision_score(is_positive, probs[:, index])
        figures["roc_auc"] = sklearn_metrics.roc_auc_score(is_positive, probs[:, index])
        figures["recall"] = sklearn_metrics.recall_score(is_positive, says_positive)
    if says_positive.any():
        figures["precision"] = sklearn_metrics.precision_score(is_positive, says_positive)
    return {name: float(value) for name, value in figures.items()}


def check_everything(root: Path, positive: str) -> None:
    figures = the_metrics(root)
    spans = figures.pop("intervals")
    notes = figures.pop("notes")
    supports = figures.pop("supports")
    assert [images for images, _ in supports.values()] == [figures["test_images"], figures["test_positives"]]
    expected = recomputed(root, positive)
    assert set(figures) == set(expected)
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value, rel=5.01e-4, abs=1e-9), name
    lacking = {name for name in figures if any(note.startswith(f"{name} has no interval") for note in notes)}
    lacking |= {"precision"} & set(figures) if not expected["test_positives"] else set()
    assert set(spans) == set(figures) - {"no_skill_average_precision", "test_images", "test_positives"} - lacking
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
    "four classes, platt": {"calibrator": "platt"},
    "four classes, isotonic": {
        "calibrator": "isotonic",
        "rule": "most_probable",  # of a curve with steps, rule `balanced` has ties, which rounding breaks
        "target": dict(zip(NAMES, (0.43, 0.29, 0.17, 0.11), strict=True)),
    },
    "two classes, isotonic": {"calibrator": "isotonic", "counts": (150, 15), "rule": "f_beta"},
    "four classes, least cost": {"rule": "least_cost", "costs": {"rare": {"common": 30.0, "usual": 8.0}}},
    "four classes, another deployment": {
        "target": {"common": 0.97, "usual": 0.01, "scarce": 0.01, "rare": 0.01},
    },
    "a class is absent from test": {"counts": (120, 60, 0, 12), "positive": "scarce"},
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
    check_everything(tmp_path, settings.get("positive") or default)


def test_every_figure_of_the_built_problem_can_be_recomputed() -> None:
    needed = ("reports/metrics.json", "results/predictions/test.parquet", "models/decision.json")
    missing = [path for path in needed if not (REPOSITORY / path).exists()]
    if missing:
        pytest.skip(f"the problem of this repository is not built: {missing} do not exist")
    decided = json.loads((REPOSITORY / "models/decision.json").read_text())
    (check_labels if decided["task"] == "multilabel" else check_everything)(REPOSITORY, decided["positive"])


def test_shares_of_independent_images_have_the_intervals_of_scipy(tmp_path: Path) -> None:
    a_problem(tmp_path)
    names, truth, _, _, decided = used(tmp_path)
    table = the_table(tmp_path).set_index(["class", "measure"])
    for index, name in enumerate(names):
        hits = int(((truth == index) & (decided == index)).sum())
        oracle = binomtest(hits, int((truth == index).sum())).proportion_ci(method="exact")
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
    figures = the_metrics(tmp_path)
    for figure, (low, high) in figures["intervals"].items():
        if figure != "expected_calibration_error":  # resampling adds to it, so that its interval may lie above
            assert low <= figures[figure] <= high, figure


def test_at_most_15_scalars_of_four_significant_digits(tmp_path: Path) -> None:
    a_problem(tmp_path)
    figures = the_metrics(tmp_path)
    scalars = [name for name, value in figures.items() if isinstance(value, int | float)]
    assert len(scalars) <= 15
    assert set(figures) - set(scalars) == {"intervals", "supports", "notes"}
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


def test_a_class_of_one_unit_has_no_interval_and_the_note_says_why(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(80, 1), copies=6, grouped=True)
    figures = the_metrics(tmp_path)
    assert figures["test_positives"] == 6
    assert not {"recall", "average_precision", "roc_auc"} & set(figures["intervals"])
    assert "average_precision has no interval: all images of the class are of one unit" in figures["notes"]
    rows = the_table(tmp_path).set_index(["class", "measure"])
    assert list(rows.loc[("usual", "recall"), ["low", "high"]]) == ["", ""]
    assert "" not in list(rows.loc[("common", "recall"), ["low", "high"]])


def test_two_units_of_a_class_have_wide_intervals(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(80, 2), copies=6, grouped=True)
    spans = the_metrics(tmp_path)["intervals"]
    assert spans["recall"][1] - spans["recall"][0] > 0.8


def test_a_class_that_is_never_decided_has_no_precision_and_the_note_says_why(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(400, 9, 9, 5), skill=0.0, rule="most_probable", calibrator="vector")
    figures = the_metrics(tmp_path)
    assert "precision" not in figures
    assert figures["recall"] == 0
    assert "precision is undefined: class 'rare' is never decided on test" in figures["notes"]


def test_the_console_has_one_line_for_all_figures_without_an_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_problem(tmp_path, counts=(80, 40, 1), copies=2, grouped=True)
    without = sum("has no interval" in note for note in the_metrics(tmp_path)["notes"])
    assert without >= 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "interval" in line]
    assert lines == [
        f"WARNING: {without} figures without an interval, with 1 unit of 'scarce' in test; reports/metrics.json says "
        "why; label more images"
    ]


def test_enough_images_of_each_class_need_no_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_problem(tmp_path)
    assert len(the_metrics(tmp_path)["notes"]) == 2
    assert "WARNING" not in capsys.readouterr().err


def test_a_class_without_test_images_is_noted_and_its_figures_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_problem(tmp_path, counts=(120, 60, 20, 0), positive="rare")
    figures = the_metrics(tmp_path)
    assert not {"recall", "average_precision", "roc_auc"} & set(figures)
    assert not {"recall", "average_precision", "roc_auc"} & set(figures["intervals"])
    assert any("without a test image" in note and "'rare'" in note for note in figures["notes"])
    assert "recall is undefined: no test image has class 'rare'" in figures["notes"]
    assert "WARNING: recall is undefined" in capsys.readouterr().err


def test_the_first_note_says_which_class_matters_and_why(tmp_path: Path) -> None:
    a_problem(tmp_path)
    note = the_metrics(tmp_path)["notes"][0]
    assert note.endswith("class 'rare' against all others; it matters as the rarest class")


def test_shares_that_are_not_those_of_deployment_are_noted(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(50, 50), target={"common": 0.99, "usual": 0.01})
    assert any("differ from the target prior" in note for note in the_metrics(tmp_path)["notes"])


def test_scoring_twice_writes_equal_bytes_and_another_seed_other_intervals(tmp_path: Path) -> None:
    a_problem(tmp_path)
    path = tmp_path / "reports/metrics.json"
    first = path.read_bytes()
    score(tmp_path)
    assert path.read_bytes() == first
    score(tmp_path, seed=1)
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


LABELS = ("often", "sometimes", "seldom", "never in test")


def a_problem_of_labels(
    root: Path,
    *,
    n: int = 300,
    rule: str = "f_beta",
    costs: dict[str, dict[str, float]] | None = None,
    target: Any = "natural",
    calibrator: str = "auto",
    ledger: tuple[prior_ledger.Line, ...] = (),
    grouped: bool = False,
    **changed: object,
) -> None:
    """Write predictions of four labels, the last of which no test image bears, and let `decide` choose."""
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.2, 0.06, 0.03])

    def predict(size: int, *, test: bool) -> predictions.Predictions:
        targets = rng.random((size, 4)) < shares * (np.arange(4) < 3 if test else 1)
        logits = rng.normal(size=(size, 4)) + 3 * targets + np.log(shares / (1 - shares)) + 0.7
        ids = tuple(f"image{number:05d}" for number in range(size))
        groups = tuple(f"group{number // 3:05d}" for number in range(size)) if grouped else ids
        cells = tuple("|".join(sorted(np.array(LABELS)[row])) for row in targets)
        return predictions.Predictions(ids, groups, cells, LABELS, logits.astype(np.float32))

    predictions.write(root, "test", predict(n, test=True))
    choice = decide.Decide.model_validate(
        {"calibrator": calibrator, "target": target, "rule": rule, "costs": costs or {}} | REST | changed
    )
    counts = tuple(int(count) for count in (1000 * shares).round())
    opened = prior.Prior("multilabel", LABELS, counts, counts, counts, 1000, 1000, 1000, ())
    asked = decide.Matters(Positive("seldom", "as evaluate.positive states it"), PREVALENCES)
    decision.write(root, decide.choose(predict(500, test=False), opened, ledger, choice, asked))
    score(root)


def used_labels(root: Path) -> tuple[list[str], Array, Array, Array, Array]:
    """Classes, truth, raw and moved probabilities, and decisions, (n, c): files, NumPy and SciPy alone."""
    table = pq.read_table(root / "results/predictions/test.parquet").to_pandas()
    stored = json.loads((root / "models/decision.json").read_text())
    names = stored["classes"]
    z = table[[f"logit_{name}" for name in names]].to_numpy(dtype=np.float64)
    offset = np.array(stored["val_offset"]) + np.array(stored["target_offset"])
    own = own_probs(stored, z)
    probs = own * np.exp(offset) / (own * np.exp(offset) + 1 - own)
    truth = np.array([[name in cell.split("|") for name in names] for cell in table["labels"]])
    limits = np.array([np.inf if limit is None else limit for limit in stored["thresholds"]])
    decided = probs >= limits
    for row in np.flatnonzero(decided.sum(axis=1) < stored["at_least"]):
        decided[row, np.argsort(-probs[row], kind="stable")[: stored["at_least"]]] = True
    return names, truth, expit(z), probs, decided


def check_labels(root: Path, positive: str) -> None:
    names, truth, raw, probs, decided = used_labels(root)
    index, present = names.index(positive), np.flatnonzero(truth.any(axis=0))
    macro: dict[str, Any] = {"labels": present, "average": "macro", "zero_division": 0}
    some = truth.any(axis=1)
    flat, said = truth.ravel(), probs.ravel()
    inside = [(said > low) & (said <= low + 1 / 15) for low in np.arange(15) / 15]
    expected = {
        "mean_average_precision": sklearn_metrics.average_precision_score(truth[:, present], probs[:, present]),
        "no_skill_mean_average_precision": truth[:, present].mean(),
        "classes_present": len(present),
        "macro_f1": sklearn_metrics.f1_score(truth, decided, **macro),
        "macro_f1_raw": sklearn_metrics.f1_score(truth, raw >= 0.5, **macro),
        "micro_f1": sklearn_metrics.f1_score(truth, decided, average="micro"),
        "exact_match": sklearn_metrics.accuracy_score(truth, decided),
        "coverage": sklearn_metrics.coverage_error(truth[some], probs[some]),
        "average_precision": sklearn_metrics.average_precision_score(truth[:, index], probs[:, index]),
        "no_skill_average_precision": truth[:, index].mean(),
        "recall": sklearn_metrics.recall_score(truth[:, index], decided[:, index]),
        "expected_calibration_error": sum(
            here.mean() * abs(flat[here].mean() - said[here].mean()) for here in inside if here.any()
        ),
        "test_images": len(truth),
        "test_positives": truth[:, index].sum(),
    }
    if decided[:, index].any():
        expected["precision"] = sklearn_metrics.precision_score(truth[:, index], decided[:, index])
    figures = the_metrics(root)
    spans = figures.pop("intervals")
    figures.pop("notes")
    figures.pop("supports")
    assert set(figures) == set(expected)
    assert len(figures) <= 15
    for name, value in expected.items():
        assert figures[name] == pytest.approx(float(value), rel=5.01e-4, abs=1e-9), name
    for name, (low, high) in spans.items():
        assert low <= figures[name] <= high, name


OF_LABELS: dict[str, dict[str, Any]] = {
    "f_beta": {},
    "f_beta, searched": {"search_positives": 1, "beta": 2.0},
    "most probable": {"rule": "most_probable"},
    "most probable, at least one": {"rule": "most_probable", "at_least": 1},
    "balanced": {"rule": "balanced"},
    "precision floor": {"rule": "precision_floor", "floor": 0.5},
    "least cost": {"rule": "least_cost", "costs": {"seldom": {"missed": 10.0}}},
    "another deployment": {"target": {"seldom": 0.3}},
    "pos_weight": {
        "ledger": (prior_ledger.Line("weighting.scheme", "negatives_over_positives", (1.0, 4.0, 16.0, 32.0)),)
    },
    "unknown": {"ledger": (prior_ledger.Line("loss", "focal", None),)},
    "isotonic": {"calibrator": "isotonic", "target": {"seldom": 0.3}},
    "groups": {"grouped": True},
}


@pytest.mark.parametrize("name", OF_LABELS)
def test_every_figure_of_many_labels_can_be_recomputed_with_scikit_learn(name: str, tmp_path: Path) -> None:
    a_problem_of_labels(tmp_path, **OF_LABELS[name])
    check_labels(tmp_path, "seldom")
    notes = " ".join(the_metrics(tmp_path)["notes"])
    assert "classes without a test image are left out of every mean: ['never in test']" in notes


def the_prevalences(root: Path) -> Any:
    return (
        pd.read_csv(root / "reports/plots/prevalence.csv")
        .set_index(["place", "prevalence", "way", "figure"])
        .sort_index()
    )


@pytest.mark.parametrize("many", [False, True])
def test_precision_and_ap_at_a_prevalence_are_those_of_images_weighed_to_it(many: bool, tmp_path: Path) -> None:
    if many:
        a_problem_of_labels(tmp_path)
        names, truth, own, probs, decided = used_labels(tmp_path)
        index = names.index("seldom")
        actual, scores, says = truth[:, index], probs[:, index], decided[:, index]
        by_raw = own[:, index] >= 0.5
    else:
        a_problem(tmp_path)
        names, targets, own, probs, decisions = used(tmp_path)
        index = names.index("rare")
        actual, scores, says = targets == index, probs[:, index], decisions == index
        by_raw = own == index
    table = the_prevalences(tmp_path)
    for share in PREVALENCES:
        weights = np.where(actual, share / actual.mean(), (1 - share) / (1 - actual.mean()))
        rows = table.loc[("stated", share, "as it is")]
        precision = sklearn_metrics.precision_score(actual, says, sample_weight=weights)
        ranked = sklearn_metrics.average_precision_score(actual, scores, sample_weight=weights)
        assert rows.loc["precision", "value"] == pytest.approx(precision, rel=1e-5)
        assert rows.loc["recall", "value"] == pytest.approx(says[actual].mean(), rel=1e-5)
        assert rows.loc["average_precision", "value"] == pytest.approx(ranked, rel=1e-5)
        raw = table.loc[("stated", share, "raw")]
        precision = sklearn_metrics.precision_score(actual, by_raw, sample_weight=weights, zero_division=np.nan)
        assert raw.loc["precision", "value"] == pytest.approx(precision, rel=1e-5, nan_ok=True)
        assert raw.loc["recall", "value"] == pytest.approx(by_raw[actual].mean(), rel=1e-5)
        again = table.loc[("stated", share, "re-decided")]
        assert again.loc["average_precision", "value"] == pytest.approx(ranked, rel=1e-5)  # the ranking stays
    assert (table["low"] <= table["value"] + 1e-9).all()
    assert (table["value"] <= table["high"] + 1e-9).all()


def the_grid(root: Path) -> Any:
    table = pd.read_csv(root / "reports/plots/prevalence_grid.csv")
    assert table["prevalence"].is_monotonic_increasing
    return table.set_index(["prevalence", "figure"])


def test_the_grid_of_prevalences_says_what_the_table_says_and_what_images_weighed_to_it_show(tmp_path: Path) -> None:
    a_problem(tmp_path)
    names, targets, _, _, decisions = used(tmp_path)
    actual, says = targets == names.index("rare"), decisions == names.index("rare")
    grid, table = the_grid(tmp_path), the_prevalences(tmp_path)
    shares = grid.index.unique("prevalence")
    assert len(shares) >= 40
    assert (shares[0], shares[-1]) == (0.001, 0.5)
    columns = ["value", "low", "high"]
    for place, share in {(place, share) for place, share, _, _ in table.index}:
        at = shares[np.abs(shares - share).argmin()]
        expected = table.loc[(place, share, "as it is", "precision"), columns].to_numpy(dtype=float)
        assert grid.loc[(at, "precision"), columns].to_numpy(dtype=float) == pytest.approx(expected, rel=1e-3)
    for share in shares:
        weights = np.where(actual, share / actual.mean(), (1 - share) / (1 - actual.mean())) / len(actual)
        flagged, alarms, found = (weights[which].sum() for which in (says, says & ~actual, says & actual))
        assert grid.loc[(share, "flagged_per_1000"), "value"] == pytest.approx(1000 * flagged, rel=1e-4)
        assert grid.loc[(share, "false_alarms_per_found"), "value"] == pytest.approx(alarms / found, rel=1e-4)
    assert (grid["low"] < grid["value"]).all()
    assert (grid["value"] < grid["high"]).all()


def test_intervals_of_the_grid_count_units(tmp_path: Path) -> None:
    widths = []
    for copies in (1, 2):
        root = tmp_path / str(copies)
        root.mkdir()
        a_problem(root, copies=copies, grouped=True)
        grid = the_grid(root)
        assert ((grid["low"] <= grid["value"]) & (grid["value"] <= grid["high"])).all()
        widths.append((grid["high"] - grid["low"]).xs("precision", level="figure").mean())
    assert widths[1] > 0.95 * widths[0]


def test_where_nothing_is_found_there_are_no_false_alarms_for_each_image_found(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(400, 9, 9, 5), skill=0.0, rule="most_probable", calibrator="vector")
    grid = the_grid(tmp_path).xs("false_alarms_per_found", level="figure")
    assert grid["value"].isna().all()


def test_at_a_smaller_prevalence_a_decision_made_for_it_is_more_careful(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(300, 60), rule="most_probable")
    table = the_prevalences(tmp_path)["value"]
    as_it_is, again = (table.loc[("stated", 0.01, way)] for way in ("as it is", "re-decided"))
    assert again["recall"] < as_it_is["recall"]
    assert again["precision"] > as_it_is["precision"]


def test_validation_promises_the_precision_that_test_shows(tmp_path: Path) -> None:
    a_problem(tmp_path, counts=(4000, 200))
    table = the_prevalences(tmp_path)
    (share,) = {share for place, share, _, _ in table.index if place == "test"}
    promised = table.loc[("test", share, "expected", "precision")]
    shown = table.loc[("test", share, "as it is", "precision"), "value"]
    assert promised["low"] < shown < promised["high"]
    promised, shown = (table.loc[("test", share, variant, "precision")] for variant in ("raw expected", "raw"))
    assert promised["low"] < shown["value"] < promised["high"]
    raw, decided = (table.loc[("test", share, variant, "recall"), "value"] for variant in ("raw", "as it is"))
    assert decided > raw + 0.05  # rule `balanced` calls what is rare more often
