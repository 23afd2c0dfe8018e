"""Boxes of objects: figures of images as for multilabel, with few of them at the top, beside those of `box_tables`."""

from counterpoise.evaluation.scores import Truth
from counterpoise.evaluation.tasks import multilabel
from counterpoise.evaluation.tasks.multilabel import DEPEND_ON_SHARES as DEPEND_ON_SHARES
from counterpoise.evaluation.tasks.multilabel import LEARNING_CURVE as LEARNING_CURVE
from counterpoise.evaluation.tasks.multilabel import MEANS_OVER_CLASSES as MEANS_OVER_CLASSES
from counterpoise.evaluation.tasks.multilabel import RAW as RAW
from counterpoise.evaluation.tasks.multilabel import RAW_RULE as RAW_RULE
from counterpoise.evaluation.tasks.multilabel import confusion_table as confusion_table
from counterpoise.evaluation.tasks.multilabel import decision_influences as decision_influences
from counterpoise.evaluation.tasks.multilabel import figures as figures
from counterpoise.evaluation.tasks.multilabel import forecasts as forecasts
from counterpoise.evaluation.tasks.multilabel import learning_curve as learning_curve
from counterpoise.evaluation.tasks.multilabel import missed as missed
from counterpoise.evaluation.tasks.multilabel import per_class as per_class
from counterpoise.evaluation.tasks.multilabel import probability_influences as probability_influences

HEADLINES = ("mean_average_precision",)


def no_skill(truth: Truth) -> dict[str, float]:
    """Compute the mean share of the labels that are present, which is what guessing scores."""
    return {name: value for name, value in multilabel.no_skill(truth).items() if name.startswith("no_skill")}
