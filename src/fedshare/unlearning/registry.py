"""The unlearning methods by name, which algorithm each suits, and what it needs to have been kept.

Rows name classes without importing them, so that ``--help`` does not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fedshare.lazy import at
from fedshare.options import one_of

if TYPE_CHECKING:
    from fedshare.training.algorithm import Algorithm
    from fedshare.training.history import Keeping
    from fedshare.unlearning.unlearner import Unlearner

__all__ = ["METHODS", "MethodRow", "keeping_for", "method", "suited_to"]


class MethodRow(NamedTuple):
    """One method."""

    name: str
    home: str
    "Where its class is."
    summary: str
    "One line for help and documents."
    suits: tuple[str, ...] = ()
    "Names of the algorithms whose own method it is."
    keeps: str = "fedshare.training.history:Nothing"
    "Where the class is that records for it during training."

    @property
    def cls(self) -> type[Any]:
        """The class, imported now."""
        return at(self.home)


_HERE = "fedshare.unlearning"
_ROWS = (
    MethodRow(
        "contrastive",
        f"{_HERE}.contrastive:ContrastiveUnlearning",
        "fold-in and contrastive steps",
        ("fedshare",),
        "fedshare.training.history:Snapshots",
    ),
    MethodRow("exact", f"{_HERE}.exact:ExactUnlearning", "counts subtracted, to the bit", ("shared-ease",)),
    MethodRow("retrain", f"{_HERE}.retrain:Retrain", "from nothing, the reference"),
    MethodRow("fine-tune", f"{_HERE}.fine_tune:FineTune", "a control that unlearns too little"),
    MethodRow("drop-only", f"{_HERE}.drop_only:DropOnly", "a control that unlearns nothing"),
)
METHODS: dict[str, MethodRow] = {row.name: row for row in _ROWS}
"By the name that the command line takes."


def suited_to(algorithm: Algorithm) -> str:
    """The name of the method that suits an algorithm; retraining always does."""
    return next((row.name for row in _ROWS if algorithm.name in row.suits), "retrain")


def keeping_for(algorithm: Algorithm) -> Keeping:
    """What training records for the method that suits an algorithm."""
    return at(METHODS[suited_to(algorithm)].keeps)()


def method(name: str, options: dict[str, Any] | None = None) -> Unlearner:
    """The method of a name with some of its options set.

    Raises:
        BadOption: No such method, or an option is out of range.
    """
    one_of("method", name, METHODS)
    return METHODS[name].cls(**(options or {}))
