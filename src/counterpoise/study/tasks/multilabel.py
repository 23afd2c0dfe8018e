"""Any number of classes per image: as for `multiclass`, whose file asks how many labels an image may have."""

from counterpoise.study.tasks.multiclass import *  # noqa: F403
