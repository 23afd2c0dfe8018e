"""Random scenes with tied scores, crowds and absent classes, as arrays and as COCO's dictionaries."""

from typing import Any

import numpy as np

from counterpoise.boxes.matching import Detections, Truth

IMAGES, CLASSES = 12, 4


def random_boxes(rng: np.random.Generator, count: int) -> Any:
    """Draw boxes of all of COCO's sizes with corners on halves of a pixel, so that sums of them are exact."""
    corner = rng.integers(0, 400, size=(count, 2)) / 2
    side = np.round(np.exp(rng.uniform(np.log(6), np.log(250), size=(count, 2))) * 2) / 2
    return np.concatenate([corner, corner + side], axis=1)


def problem(seed: int) -> tuple[Detections, Truth]:
    """Make a truth, and detections that are some of it moved by noise, of wrong classes, doubled or invented."""
    rng = np.random.default_rng(seed)
    count = 70
    boxes, image = random_boxes(rng, count), rng.integers(0, IMAGES, size=count)
    label = rng.choice(CLASSES - 1, size=count, p=[0.6, 0.3, 0.1])  # the last class is absent
    truth = Truth(image, label, boxes, rng.random(count) < 0.15)
    again = rng.integers(0, count, size=200)
    moved = np.round((boxes[again] + rng.normal(0, 4, size=(200, 4))) * 2) / 2
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    invented = random_boxes(rng, 60)
    classes = np.where(rng.random(200) < 0.85, label[again], rng.integers(0, CLASSES, size=200))
    return (
        Detections(
            np.concatenate([image[again], rng.integers(0, IMAGES, size=60)]),
            np.concatenate([classes, rng.integers(0, CLASSES, size=60)]),
            np.concatenate([moved, invented]),
            np.round(rng.random(260), 1),
        ),
        truth,
    )


def coco(detections: Detections, truth: Truth) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write a problem as COCO does."""

    def of(box: Any) -> list[float]:
        return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]

    annotations = [
        {
            "id": number + 1,
            "image_id": int(truth.image[number]),
            "category_id": int(truth.label[number]),
            "bbox": of(box),
            "area": of(box)[2] * of(box)[3],
            "iscrowd": int(truth.ignore[number]),
        }
        for number, box in enumerate(truth.boxes)
    ]
    found = [
        {
            "image_id": int(detections.image[number]),
            "category_id": int(detections.label[number]),
            "bbox": of(box),
            "score": float(detections.scores[number]),
        }
        for number, box in enumerate(detections.boxes)
    ]
    images = [{"id": number, "width": 600, "height": 600} for number in range(IMAGES)]
    categories = [{"id": number, "name": f"class {number}"} for number in range(CLASSES)]
    return {"info": {}, "images": images, "categories": categories, "annotations": annotations}, found
