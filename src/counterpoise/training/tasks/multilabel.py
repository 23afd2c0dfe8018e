"""Any number of classes per image: trained as for `multiclass`, with a loss for many labels."""

from counterpoise.training.tasks.multiclass import describe as describe
from counterpoise.training.tasks.multiclass import examples as examples
from counterpoise.training.tasks.multiclass import fit_members as fit_members
