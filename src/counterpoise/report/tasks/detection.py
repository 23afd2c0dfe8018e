"""The report for boxes: the classes that an image shows, as for multilabel."""

from counterpoise.report.tasks.multilabel import *  # noqa: F403
