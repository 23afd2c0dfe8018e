"""Images with boxes: split and drawn by the classes that they show, as images with any number of labels."""

from counterpoise.dataset.tasks.multilabel import *  # noqa: F403
