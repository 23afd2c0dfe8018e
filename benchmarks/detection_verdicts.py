"""How often a study of detectors is right: simulated scenes and detectors whose true differences in AP50 are known.

Run `python benchmarks/detection_verdicts.py`. Scenes differ in how many objects they have and in how hard these are,
for all detectors alike. A detector differs from training to training. The arms are the control with another seed, a
better one and a much better one; in `A/A` settings all arms differ from the control by their seed alone. The truth is
the mean over many trainings, each tested on many scenes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from counterpoise.study import verdicts
from counterpoise.study.detection import figures
from counterpoise.study.detection.cells import Tested
from counterpoise.study.verdicts import Estimate, Verdict

SKILLS = (0.0, 0.0, 0.4, 1.0)
"""How much better each detector recognises objects than the control, which is the first."""
SAME = (0.0,) * 18
"""The control and 17 arms without any difference."""
DENSITIES = (8.0, 1.0)
"""Objects of each class in a scene, on average."""
OF_TRAINING = 0.15
"""Standard deviation of the skill between trainings. V_rep is then twice V_img. Among six seeds of the plain detector
on `presets/scenes.yaml` it was 1.2 times, and the mean square of their differences 4.5 times."""
FOLDS = 3
COMPARISONS = 17
"""Arms that verdicts are corrected for."""
CLASSES = list(range(len(DENSITIES)))
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """A kind of study.

    Attributes:
        name: In words.
        scenes: How many there are.
        showing: The share of them that shows the rare class.
        repeats: Times 3 folds.
        skills: Of the detectors, the control first.
        of_training: Standard deviation of the skill between trainings.
    """

    name: str
    scenes: int
    showing: float
    repeats: int = 1
    skills: tuple[float, ...] = SKILLS
    of_training: float = OF_TRAINING


SETTINGS = (
    Setting("29 scenes, rare class in 19", 29, 0.65),
    Setting("29 scenes, rare class in 19", 29, 0.65, repeats=4),
    Setting("60 scenes, rare class in 20", 60, 0.33),
    Setting("150 scenes, rare class in 100", 150, 0.65),
    Setting("150 scenes, rare class in 100", 150, 0.65, repeats=4),
    *(
        Setting(f"A/A, 29 scenes, seeds {words}", 29, 0.65, repeats, SAME, factor * OF_TRAINING)
        for words, factor in (("as above", 1), ("twice as strong", 2), ("four times as strong", 4))
        for repeats in (1, 2, 4)
    ),
)


@dataclass(frozen=True)
class Scenes:
    """What there is to be seen in s scenes, the same for all detectors.

    Attributes:
        objects: (s, c) objects of each class.
        right: Of each class, the scene of each object, and how well it can be recognised.
        wrong: Of each class, the scene of each look-alike, and how much it resembles an object.
    """

    objects: Ints
    right: tuple[tuple[Ints, Floats], ...]
    wrong: tuple[tuple[Ints, Floats], ...]


def draw(rng: np.random.Generator, count: int, showing: float) -> Scenes:
    """Draw scenes."""
    shows = np.array([np.ones(count, dtype=bool), rng.random(count) < showing])
    objects = np.stack(
        [
            own * (rng.poisson(density * rng.gamma(2, 0.5, count)) + 1)
            for own, density in zip(shows, DENSITIES, strict=True)
        ]
    )
    hard, right, wrong = rng.normal(0, 0.6, count), [], []
    for label in CLASSES:
        image = np.repeat(np.arange(count), objects[label])
        false = np.repeat(np.arange(count), rng.poisson(1.5 * DENSITIES[label], count))
        right.append((image, hard[image] + rng.normal(0, 1, len(image))))
        wrong.append((false, rng.normal(-0.5, 1, len(false))))
    return Scenes(objects.T, tuple(right), tuple(wrong))


def look(rng: np.random.Generator, of: Scenes, shown: Ints, skill: float) -> Tested:
    """Let a detector look at some scenes: objects and look-alikes are the same for all, its errors are its own."""
    place = np.full(len(of.objects), -1)
    place[shown] = np.arange(len(shown))
    rows = []
    for label in CLASSES:
        for (image, clear), better, hit in ((of.right[label], skill, 1), (of.wrong[label], 0.0, 0)):
            scores = clear + better + rng.normal(0, 0.5, len(clear))
            seen = (scores > -0.8) & (place[image] >= 0)
            count = int(seen.sum())
            rows.append(np.column_stack([place[image[seen]], np.full(count, label), scores[seen], np.full(count, hit)]))
    table = np.concatenate(rows)
    table = table[np.argsort(-table[:, 2], kind="stable")]
    found, logit = np.repeat((table[:, 3] == 1)[None], 10, axis=0), table[:, 2]
    return Tested(
        image_ids=shown.astype(str),
        objects=of.objects[shown],
        image=table[:, 0].astype(np.int64),
        label=table[:, 1].astype(np.int64),
        logit=logit,
        prob=1 / (1 + np.exp(-logit)),
        decided=logit > 0,
        hit=found,
        ignored=np.zeros_like(found),
        val_loss=0.0,
        seconds=0.0,
    )


def truth(setting: Setting, rng: np.random.Generator, trainings: int = 60, scenes: int = 400) -> Floats:
    """Compute the true difference of each arm from the control."""
    if setting.skills == SAME:
        return np.zeros(len(SAME) - 1)
    values = np.zeros((trainings, len(setting.skills)))
    for row in values:
        of = draw(rng, scenes, setting.showing)
        for arm, skill in enumerate(setting.skills):
            tested = look(rng, of, np.arange(scenes), skill + rng.normal(0, setting.of_training))
            row[arm] = figures.value("ap50", tested, "raw", CLASSES)
    means = values.mean(axis=0)
    return np.asarray(means[1:] - means[0])


def study(setting: Setting, rng: np.random.Generator) -> list[Estimate]:
    """Simulate a study: the estimated difference of each arm."""
    of = draw(rng, setting.scenes, setting.showing)
    fold = np.stack([rng.permutation(np.arange(setting.scenes) % FOLDS) for _ in range(setting.repeats)])
    values = np.zeros((len(setting.skills), setting.repeats, FOLDS))
    phi = np.zeros((len(setting.skills), setting.repeats, setting.scenes))
    for repeat, number in np.ndindex(setting.repeats, FOLDS):
        shown = np.flatnonzero(fold[repeat] == number)
        for arm, skill in enumerate(setting.skills):
            tested = look(rng, of, shown, skill + rng.normal(0, setting.of_training))
            values[arm, repeat, number] = figures.value("ap50", tested, "raw", CLASSES)
            own = figures.influences("ap50", tested, "raw", CLASSES, np.arange(len(shown)))
            phi[arm, repeat, shown] = list(own.values())
    holds = of.objects[:, -1] > 0
    tested_units = np.stack([np.bincount(row[holds], minlength=FOLDS) for row in fold])
    if not np.isfinite(values).all() or tested_units.min() < 2:
        return []  # the study would say so, and give no verdict
    return [
        verdicts.estimate(own - values[0], own_phi - phi[0], fold, tested_units)
        for own, own_phi in zip(values[1:], phi[1:], strict=True)
    ]


def judge(found: Sequence[Estimate], comparisons: int) -> list[Verdict]:
    """Judge arms."""
    every = [verdicts.judge(one, comparisons=comparisons) for one in found]
    return [one for one in every if isinstance(one, Verdict)]


def is_wrong(found: Verdict, true: float) -> bool:
    """Say whether a verdict claims what is not so; an arm that differs by its seed alone is truly equal."""
    equal = abs(true) < 0.005
    return {
        "better": equal or true < 0,
        "worse": equal or true > 0,
        "equivalent": abs(true) > verdicts.MARGIN,
    }.get(found.word, False)


def row(setting: Setting, studies: int) -> str:
    """Simulate studies of a setting, and write their row; values of several arms are in their order."""
    rng = np.random.default_rng(0)
    true = truth(setting, rng)
    found = [own for _ in range(studies) if (own := study(setting, rng))]
    of_one = [judge(own, 1) for own in found]
    of_many = [judge(own, COMPARISONS) for own in found]
    with mock.patch.object(verdicts, "ENOUGH_VALUES", 0):
        narrow = [judge(own, COMPARISONS) for own in found]
    covered = [[one.low <= t <= one.high for one, t in zip(own, true, strict=True)] for own in of_one]
    bias = [[one.difference - t for one, t in zip(own, true, strict=True)] for own in found]
    said = [[one.word in ("better", "worse") for one in own] for own in of_many]
    false, false_narrow = (np.mean([any(map(is_wrong, own, true)) for own in every]) for every in (of_many, narrow))
    half = np.median([one.high - one.low for own in of_many for one in own]) / 2
    together = setting.skills == SAME

    def each(values: Sequence[Sequence[float]], factor: float, digits: int) -> str:
        means = [np.mean(values)] if together else np.mean(values, axis=0)
        return " ".join(f"{factor * mean:.{digits}f}" for mean in means)

    cells = (
        f'"{setting.name}"',
        f"{FOLDS} x {setting.repeats}",
        str(len(found)),
        each([true.tolist()], 1, 3),
        each(bias, 1, 3),
        each(covered, 100, 1),
        f"{half:.2f}",
        f"{100 * false:.1f}",
        f"{100 * false_narrow:.1f}",
        each(said, 100, 0),
    )
    return ",".join(cells)


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    studies, began_s = parser.parse_args().studies, time.process_time()
    print("setting,design,studies,true,bias,coverage,half_width,false,false_narrow,different")
    for setting in SETTINGS:
        print(row(setting, studies), flush=True)
    print(f"# {time.process_time() - began_s:.0f} s of CPU")


if __name__ == "__main__":
    main()
