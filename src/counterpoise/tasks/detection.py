"""Objects with boxes; the labels of an image are the classes of its boxes, and none where it shows no object."""

from counterpoise.tasks.multilabel import LINK, RESAMPLING_HAS_CLOSED_FORM, TARGET_NDIM, encode, fault_of_labels

__all__ = ["LINK", "NEEDS_BOXES", "RESAMPLING_HAS_CLOSED_FORM", "TARGET_NDIM", "encode", "fault_of_labels"]

NEEDS_BOXES = True
