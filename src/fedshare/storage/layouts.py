"""What the tensors of each algorithm are: names, shapes and kinds, of what a server holds and of what is published.

One row an algorithm here, beside its row in the registry; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch

from fedshare.federation.payload import POPULARITY
from fedshare.storage.tensor_files import Array, Layout, Sparse

__all__ = ["KEEPS_SNAPSHOTS", "network_layout", "published_layout", "snapshot_layout", "state_layout", "table_layout"]

Options = Mapping[str, Any]


def table_layout(name: str, rows: int, dim: int) -> Layout:
    """A :class:`fedshare.models.table.Table`: values, both moments, steps."""
    return Layout(
        {
            f"{name}.values": Array((rows, dim)),
            f"{name}.first": Array((rows, dim)),
            f"{name}.second": Array((rows, dim), least=0),
            f"{name}.steps": Array((rows,), (torch.int32,), 0),
        }
    )


def state_layout(name: str, options: Options, n_users: int, n_items: int) -> Layout:
    """What a server's state is made of.

    Args:
        name: The algorithm's.
        options: The algorithm's.
        n_users: People.
        n_items: Catalogue.
    """
    return _STATES[name](options, n_users, n_items)


def snapshot_layout(options: Options, n_items: int, n_sharers: int, count: int) -> Layout:
    """What is kept of ``count`` rounds, in half precision."""
    dim, half = options["embedding_size"], (torch.float16,)
    return Layout(
        {
            f"{index}.{part}": Array((rows, dim), half)
            for index in range(count)
            for part, rows in (("items", n_items), ("users", n_sharers))
        }
    )


def published_layout(task: str, values: Options, n_items: int, numbers: Mapping[str, float]) -> Layout:
    """What devices of a task recommend with.

    Args:
        task: Its name.
        values: Its values.
        n_items: Catalogue.
        numbers: That go with the arrays.
    """
    popularity = Layout({f"array.{POPULARITY}": Array((n_items,), (torch.int32,), 0)})
    return _model_layout(task, values, n_items, numbers) | popularity


def _model_layout(task: str, values: Options, n_items: int, numbers: Mapping[str, float]) -> Layout:
    if task in ("same-for-all", "shuffle"):
        return Layout({"table.sharers": Array((n_items,), least=0)} if task == "same-for-all" else {})
    part = Layout(sparse={"array.item_item": Sparse(n_items, "counts")})
    if task == "history-weights":
        return part
    items = Layout({"table.items": Array((n_items, values.get("embedding_size")))})
    return items | part if "item_item_weight" in numbers else items


def network_layout(sizes: tuple[int, ...]) -> Layout:
    """A network's layers: weights ``(inputs, outputs)`` and biases ``(outputs,)``."""
    found: dict[str, Array] = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        found |= {f"w{layer}": Array((inputs, outputs)), f"b{layer}": Array((outputs,))}
    return Layout(found)


def _both_tables(options: Options, n_users: int, n_items: int) -> Layout:
    dim = options["embedding_size"]
    return table_layout("table.items", n_items, dim) | table_layout("table.users", n_users, dim)


def _items(options: Options, n_users: int, n_items: int) -> Layout:
    return table_layout("table.items", n_items, options["embedding_size"])


def _network(options: Options, n_users: int, n_items: int) -> Layout:
    sizes = (2 * options["embedding_size"], *options["layers"], 1)
    return _items(options, n_users, n_items) | network_layout(sizes).under("array.")


def _closed_form(options: Options, n_users: int, n_items: int) -> Layout:
    counts = Sparse(n_items, kinds=(torch.int32,), least=1)
    found = Layout(sparse={"array.weights": Sparse(n_items), "kept.gram": counts})
    if options["private_contributions"]:
        return found | Layout(sparse={"kept.contributed": counts})
    if n_items <= options["inverse_items"]:
        found |= Layout({"kept.inverse": Array((n_items, n_items), (torch.float64,))})
    return found


def _nothing(options: Options, n_users: int, n_items: int) -> Layout:
    return Layout()


_STATES: dict[str, Callable[[Options, int, int], Layout]] = {
    "fedshare": _both_tables,
    "shared-ease": _closed_form,
    "fedmf": _both_tables,
    "pfedrec": _items,
    "fedncf": _network,
    "lightgcn": _both_tables,
    "popularity": _nothing,
    "random": _nothing,
}

KEEPS_SNAPSHOTS = frozenset(name for name, state in _STATES.items() if state is _both_tables)
"Algorithms whose servers have both tables, and so something to keep snapshots of."
