"""Labels that are probably wrong, by cleanlab."""

import importlib.util

import numpy as np
import pytest

from counterpoise.config import InputError
from counterpoise.labelling import confident_learning as learning

pytest.importorskip("cleanlab", reason="cleanlab is not installed (extra `labels`): no suspects were looked for")


def problem(count: int, flipped: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw classes 0, 1 and a rare 2 with probabilities near the truth; return labels, probabilities, what is wrong."""
    rng = np.random.default_rng(0)
    truth = rng.choice(3, count, p=[0.6, 0.3, 0.1])
    logits = 8 * np.eye(3)[truth] + rng.normal(size=(count, 3))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.choice(count, flipped, replace=False)
    given = truth.copy()
    given[wrong] = (truth[wrong] + 1) % 3
    return given, probs, wrong


def test_flipped_classes_are_found_with_their_true_class() -> None:
    given, probs, wrong = problem(400, 20)
    suspects = learning.find(np.eye(3, dtype=bool)[given], probs, one_class=True, columns=[])
    found = {one.row: one for one in suspects}
    assert len(set(wrong) & set(found)) >= 18
    assert len(set(found) - set(wrong)) <= 8
    assert [one.margin for one in suspects] == sorted(one.margin for one in suspects)
    for row in set(wrong) & set(found):
        assert found[row].given == (given[row],)
        assert found[row].suggested == ((given[row] - 1) % 3,)
        assert found[row].margin == pytest.approx(probs[row, given[row]] - probs[row].max(), abs=1e-6)


def test_of_many_labels_a_wrong_one_is_toggled_and_the_others_stay() -> None:
    given, probs, _ = problem(400, 0)
    truth = np.concatenate([np.eye(3, dtype=bool)[given], np.ones((400, 1), dtype=bool)], axis=1)
    sure = np.concatenate([probs, np.full((400, 1), 0.9)], axis=1)
    row = int(np.flatnonzero(given == 0)[0])
    truth[row, 0] = False
    sure[row, 0] = 0.999
    suspects = learning.find(truth, sure, one_class=False, columns=[0, 1, 2, 3])
    assert suspects[0] == learning.Suspect(row, (3,), (0, 3), -0.998)
    assert not [one for one in learning.find(truth, sure, one_class=False, columns=[1, 2]) if one.row == row]


def test_a_label_that_all_images_have_is_no_suspect() -> None:
    truth, probs = np.ones((10, 1), dtype=bool), np.full((10, 1), 0.1)
    assert learning.find(truth, probs, one_class=False, columns=[0]) == []


def test_without_cleanlab_the_way_to_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    learning.check_installed()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"cleanlab, which is not installed; run `pip install 'counterpoise\[labels\]'`"
    ):
        learning.check_installed()
