"""How bad something is: one scale for the checks on the data, for the doctor and for alerts."""

from enum import Enum


class Severity(str, Enum):
    """From well to wrong. The doctor prints WARNING as `warn`."""

    OK = "ok"  # well, or well again
    INFO = "info"  # right as it is, and worth knowing
    WARNING = "warning"  # it works, and somebody should look or decide
    ERROR = "error"  # work is lost, undone, refused or not safe until somebody acts
