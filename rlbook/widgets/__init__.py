"""The book's widgets: the same objects in JupyterLab, on the rendered page and, as a picture, on paper."""

from rlbook.statements import name_statements
from rlbook.widgets.average_grid import AverageGrid
from rlbook.widgets.bellman_plane import BellmanPlane
from rlbook.widgets.control_variate import ControlVariate
from rlbook.widgets.natural_gradient import NaturalGradient
from rlbook.widgets.occupancy import Occupancy
from rlbook.widgets.performance_difference import PerformanceDifference
from rlbook.widgets.q_prop import QProp
from rlbook.widgets.value_iteration import ValueIteration
from rlbook.widgets.variance_reduction import VarianceReduction

__all__ = [
    "AverageGrid",
    "BellmanPlane",
    "ControlVariate",
    "NaturalGradient",
    "Occupancy",
    "PerformanceDifference",
    "QProp",
    "ValueIteration",
    "VarianceReduction",
]

name_statements(__name__)
