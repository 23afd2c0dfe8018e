"""How often a study of detectors is right: simulated scenes and detectors whose true differences in AP50 are known.

Run `python benchmarks/detection_verdicts.py`. It takes two minutes. Scenes differ in how many objects they have and in
how hard these are, for all detectors alike. A detector differs from fold to fold, as trainings do. The arms are the
control with another seed, a better one and a much better one. The truth is the mean over many trainings, each tested on
many scenes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterpoise.study import verdicts
from counterpoise.study.detection import figures
from counterpoise.study.detection.cells import Tested
from counterpoise.study.verdicts import NoVerdict, Verdict

SKILLS = (0.0, 0.0, 0.4, 1.0)
"""How much better each detector recognises objects than the control, which is the first."""
DENSITIES = (8.0, 1.0)
"""Objects of each class in a scene, on average."""
OF_TRAINING = 0.15
"""Standard deviation of the skill between trainings."""
FOLDS = 3
CLASSES = list(range(len(DENSITIES)))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A kind of data set: how many scenes, and in how many of ten the rare class shows."""

    name: str
    scenes: int
    showing: float


SETTINGS = (
    Setting("29 scenes, rare class in 19", 29, 0.65),
    Setting("60 scenes, rare class in 20", 60, 0.33),
    Setting("150 scenes, rare class in 100", 150, 0.65),
)


def draw(rng: np.random.Generator, scenes: int, showing: float, skills: tuple[float, ...]) -> list[Tested]:
    """Draw scenes, and what each detector finds in them."""
    shows = np.array([np.ones(scenes, dtype=bool), rng.random(scenes) < showing])
    objects = np.stack(
        [
            own * (rng.poisson(density * rng.gamma(2, 0.5, scenes)) + 1)
            for own, density in zip(shows, DENSITIES, strict=True)
        ]
    )
    hard, parts = rng.normal(0, 0.6, scenes), []
    for label in CLASSES:
        image = np.repeat(np.arange(scenes), objects[label])
        false = np.repeat(np.arange(scenes), rng.poisson(1.5 * DENSITIES[label], scenes))
        parts.append((label, image, hard[image] + rng.normal(0, 1, len(image)), false, rng.normal(-0.5, 1, len(false))))
    return [_found(rng, skill + rng.normal(0, OF_TRAINING), parts, objects.T) for skill in skills]


def _found(
    rng: np.random.Generator, skill: float, parts: list[tuple[object, ...]], objects: NDArray[np.int64]
) -> Tested:
    """Let a detector look: objects and look-alikes are the same for all, its errors are its own."""
    rows = []
    for label, image, quality, false, likeness in parts:
        right = np.asarray(quality) + skill + rng.normal(0, 0.5, len(np.asarray(quality)))
        wrong = np.asarray(likeness) + rng.normal(0, 0.5, len(np.asarray(likeness)))
        for images, scores, hit in ((image, right, 1), (false, wrong, 0)):
            seen = scores > -0.8
            rows.append(
                np.column_stack(
                    [np.asarray(images)[seen], np.full(seen.sum(), label), scores[seen], np.full(seen.sum(), hit)]
                )
            )
    table = np.concatenate(rows)
    table = table[np.argsort(-table[:, 2], kind="stable")]
    hit = np.repeat((table[:, 3] == 1)[None], 10, axis=0)
    logit = table[:, 2]
    return Tested(
        np.arange(len(objects)).astype(str),
        objects,
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        logit,
        1 / (1 + np.exp(-logit)),
        logit > 0,
        hit,
        np.zeros_like(hit),
        0.0,
        0.0,
    )


def truth(setting: Setting, rng: np.random.Generator, trainings: int = 60, scenes: int = 400) -> Floats:
    """Compute the true difference of each arm from the control."""
    values = [
        [figures.value("ap50", own, "raw", CLASSES) for own in draw(rng, scenes, setting.showing, SKILLS)]
        for _ in range(trainings)
    ]
    means = np.mean(values, axis=0)
    return np.asarray(means[1:] - means[0])


def study(setting: Setting, rng: np.random.Generator, comparisons: int = 1) -> list[Verdict | NoVerdict]:
    """Simulate a study, and judge its arms."""
    own = [setting.scenes // FOLDS + (number < setting.scenes % FOLDS) for number in range(FOLDS)]
    fold = np.repeat(np.arange(FOLDS), own)
    tested = [draw(rng, count, setting.showing, SKILLS) for count in own]
    holds = np.concatenate([some[0].objects[:, -1] > 0 for some in tested])
    values = np.array([[figures.value("ap50", one, "raw", CLASSES) for one in some] for some in tested])
    phi = [np.concatenate([_influences(some[arm]) for some in tested]) for arm in range(len(SKILLS))]
    return [
        verdicts.compare(
            (values[:, arm] - values[:, 0])[None],
            (phi[arm] - phi[0])[None],
            fold[None],
            holds,
            comparisons=comparisons,
        )
        for arm in range(1, len(SKILLS))
    ]


def _influences(tested: Tested) -> Floats:
    found = figures.influences("ap50", tested, "raw", CLASSES, np.arange(len(tested.objects)))
    return np.array(list(found.values()))


def main() -> None:
    """Print the coverage and the words of each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    studies = parser.parse_args().studies
    print("setting,arm,studies,true_difference,bias,covered_percent,false_verdicts_percent,better_percent")
    for setting in SETTINGS:
        rng = np.random.default_rng(0)
        true = truth(setting, rng)
        of_one = [study(setting, rng) for _ in range(studies)]
        of_many = [study(setting, rng, comparisons=20) for _ in range(studies)]
        for arm, name in enumerate(("another seed", "better", "much better")):
            single = [own[arm] for own in of_one if isinstance(own[arm], Verdict)]
            many = [own[arm] for own in of_many if isinstance(own[arm], Verdict)]
            covered = np.mean([one.low <= true[arm] <= one.high for one in single])
            bias = np.mean([one.difference for one in single]) - true[arm]
            wrong = np.mean([is_wrong(one, float(true[arm])) for one in many])
            better = np.mean([one.word == "better" for one in many])
            print(
                f'"{setting.name}",{name},{len(single)},{true[arm]:.3f},{bias:.3f},{100 * covered:.1f},'
                f"{100 * wrong:.1f},{100 * better:.0f}",
                flush=True,
            )


def is_wrong(found: Verdict, true: float) -> bool:
    """Say whether a verdict claims what is not so; an arm that differs by its seed alone is truly equal."""
    equal = abs(true) < 0.005
    return {
        "better": equal or true < 0,
        "worse": equal or true > 0,
        "equivalent": abs(true) > verdicts.MARGIN,
    }.get(found.word, False)


if __name__ == "__main__":
    main()
