"""Confidence intervals of shares, rates, rankings, means over classes, calibration errors, and by influence values."""

from counterpoise.metrics.intervals.bootstrap import Percentiles as Percentiles
from counterpoise.metrics.intervals.bootstrap import bootstrap_weights as bootstrap_weights
from counterpoise.metrics.intervals.bootstrap import percentile as percentile
from counterpoise.metrics.intervals.calibration import calibration_error as calibration_error
from counterpoise.metrics.intervals.calibration import unit_gaps as unit_gaps
from counterpoise.metrics.intervals.combined import mover as mover
from counterpoise.metrics.intervals.interval import Interval as Interval
from counterpoise.metrics.intervals.interval import missing as missing
from counterpoise.metrics.intervals.proportions import cautious_design_effect as cautious_design_effect
from counterpoise.metrics.intervals.proportions import clopper_pearson as clopper_pearson
from counterpoise.metrics.intervals.proportions import design_effect as design_effect
from counterpoise.metrics.intervals.proportions import wilson as wilson
from counterpoise.metrics.intervals.ranking import boyd as boyd
from counterpoise.metrics.intervals.ranking import newcombe as newcombe
from counterpoise.metrics.intervals.rates import garwood as garwood
from counterpoise.metrics.intervals.studentized import logit_t as logit_t
