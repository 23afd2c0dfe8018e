"""Boxes of objects in an image; the labels of an image are the classes of its boxes, none included."""

from counterpoise.tasks.multilabel import *  # noqa: F403

HAS_BOXES = True
