"""The table of the torch operators that ``convert`` understands: layers, functions and methods with all
their arguments."""

from fermatnet.model.nn.operators.calls import CALLS, row_of
from fermatnet.model.nn.operators.check import Refusal, known_kind, refusals, site_of
from fermatnet.model.nn.operators.modules import MODULES, ModuleRow
from fermatnet.model.nn.operators.row import CallRow

__all__ = [
    "CALLS",
    "MODULES",
    "CallRow",
    "ModuleRow",
    "Refusal",
    "known_kind",
    "refusals",
    "row_of",
    "site_of",
]
