"""The algorithms by name, and their options as plain values: what a manifest holds and a command line takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fedshare.errors import BadOption
from fedshare.learning.algorithm import Algorithm
from fedshare.learning.fedmf import FedMF
from fedshare.learning.fedshare import FedShare
from fedshare.learning.item_item import ItemItem
from fedshare.learning.lightgcn import LightGCN
from fedshare.learning.popularity import Popularity, Random
from fedshare.learning.shared_ease import SharedEASE

__all__ = ["ALGORITHMS", "algorithm", "options_of"]

ALGORITHMS: dict[str, type] = {
    "fedshare": FedShare,
    "shared-ease": SharedEASE,
    "fedmf": FedMF,
    "lightgcn": LightGCN,
    "popularity": Popularity,
    "random": Random,
}


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
            given["item_item"] = ItemItem(**_with_tuples(given["item_item"]))
        return ALGORITHMS[name](**given)
    except TypeError as error:
        raise BadOption(f"{name}: {error}. See the options of its class.") from None


def options_of(algorithm: Algorithm) -> dict[str, Any]:
    """All options as plain values; :func:`algorithm` takes them back."""
    return asdict(algorithm)  # type: ignore[call-overload]


def _with_tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows lists only, options are tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
