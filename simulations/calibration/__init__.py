"""Calibration and design: the parameters of a scenario that meet a target or make a measure best, with uncertainty.

`calibrate` is the front door. It runs cells of the scenario's experiment as searches ask for them, keeps each as it
ends, and gives the answer with its standard error over replications.
"""

from walras.simulations.calibration.calibration import Calibration
from walras.simulations.calibration.measure import Goal, Measure
from walras.simulations.calibration.report import calibration_figure, write_calibration_report
from walras.simulations.calibration.run import calibrate
from walras.simulations.calibration.stored import StoredCalibration

__all__ = [
    "Calibration",
    "Goal",
    "Measure",
    "StoredCalibration",
    "calibrate",
    "calibration_figure",
    "write_calibration_report",
]
