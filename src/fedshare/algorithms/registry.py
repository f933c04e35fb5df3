"""The algorithms by name, and their options as plain values: what a manifest holds and a command line takes.

A new algorithm is one file and one row here. Command line, documents and the package's names are made from the rows,
which name classes without importing them, so that ``--help`` does not load torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from fedshare.errors import BadOption, DamagedRun
from fedshare.lazy import at

if TYPE_CHECKING:
    from fedshare.federation.tasks import ClientTask
    from fedshare.training.algorithm import Algorithm, Choice

__all__ = ["ALGORITHMS", "AlgorithmRow", "algorithm", "choice_from", "options_of", "task", "task_values"]


class AlgorithmRow(NamedTuple):
    """One algorithm."""

    name: str
    home: str
    "Where its class is."
    task_home: str
    "Where the class of its devices' task is."
    summary: str
    "One line for help and documents."

    @property
    def cls(self) -> type[Any]:
        """The class, imported now."""
        return at(self.home)

    @property
    def task(self) -> type[ClientTask]:
        """The class of the task, imported now."""
        return at(self.task_home)


_HERE = "fedshare.algorithms"
_ROWS = (
    AlgorithmRow(
        "fedshare",
        f"{_HERE}.fedshare.algorithm:FedShare",
        f"{_HERE}.fedshare.task:FedShareTask",
        "federated, with what is shared",
    ),
    AlgorithmRow(
        "shared-ease",
        f"{_HERE}.shared_ease.algorithm:SharedEASE",
        f"{_HERE}.shared_ease.algorithm:HistoryWeights",
        "closed form on what is shared, unlearns to the bit",
    ),
    AlgorithmRow("fedmf", f"{_HERE}.fedmf:FedMF", f"{_HERE}.fedshare.task:FedShareTask", "federated, nothing shared"),
    AlgorithmRow(
        "pfedrec", f"{_HERE}.pfedrec:PFedRec", f"{_HERE}.pfedrec:PFedRecTask", "federated, a score function per device"
    ),
    AlgorithmRow("fedncf", f"{_HERE}.fedncf:FedNCF", f"{_HERE}.fedncf:FedNCFTask", "federated, one network for all"),
    AlgorithmRow(
        "lightgcn", f"{_HERE}.lightgcn:LightGCN", f"{_HERE}.lightgcn:OwnVector", "a central reference that sees all"
    ),
    AlgorithmRow(
        "popularity", f"{_HERE}.popularity:Popularity", f"{_HERE}.popularity:SameForAll", "the most shared items"
    ),
    AlgorithmRow("random", f"{_HERE}.popularity:Random", f"{_HERE}.popularity:Shuffle", "chance"),
)
ALGORITHMS: dict[str, AlgorithmRow] = {row.name: row for row in _ROWS}
"By the name that the command line takes."


def algorithm(name: str, options: Mapping[str, Any] | None = None) -> Algorithm:
    """The algorithm of a name with some of its options set.

    Raises:
        BadOption: No such algorithm or option.
    """
    if name not in ALGORITHMS:
        raise BadOption(f"algorithm: got '{name}', expected one of {', '.join(ALGORITHMS)}.")
    given = _with_tuples(options or {})
    try:
        if isinstance(given.get("item_item"), Mapping):
            given["item_item"] = at("fedshare.algorithms.fedshare.item_item:ItemItem")(
                **_with_tuples(given["item_item"])
            )
        return ALGORITHMS[name].cls(**given)
    except TypeError as error:
        raise BadOption(f"{name}: {error}. See the options of its class.") from None


def options_of(algorithm: Algorithm) -> dict[str, Any]:
    """All options as plain values; :func:`algorithm` takes them back."""
    return asdict(algorithm)  # type: ignore[call-overload]


def task(name: str, values: Mapping[str, Any]) -> ClientTask:
    """The task of a name, as it crosses to devices.

    Raises:
        BadOption: No such task, or values that are not its own.
    """
    known = {row.task.name: row.task for row in _ROWS}
    if name not in known:
        raise BadOption(f"task: got '{name}', expected one of {', '.join(known)}.")
    try:
        return known[name](**_with_tuples(values))
    except TypeError as error:
        raise BadOption(f"task '{name}': {error}.") from None


def task_values(task: ClientTask) -> dict[str, Any]:
    """A task's plain values; :func:`task` takes them back."""
    return asdict(task)  # type: ignore[call-overload]


def choice_from(algorithm: Algorithm, values: Mapping[str, Any] | None) -> Choice | None:
    """What was chosen, of its plain values.

    Raises:
        DamagedRun: They are not those of a choice for this algorithm.
    """
    if values is None:
        return None
    if algorithm.choice is None:
        raise DamagedRun(f"run: something was chosen, but '{algorithm.name}' has nothing to choose. Restore the run.")
    try:
        return algorithm.choice(**values)
    except TypeError as error:
        raise DamagedRun(f"run: what was chosen cannot be read ({error}). Restore the run from a copy.") from None


def _with_tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows lists only, options are tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
