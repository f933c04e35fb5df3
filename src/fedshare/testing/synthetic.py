"""Small data and small models for tests, and a look at every byte that a run holds.

Everything here trains in hundredths of a second; the options are small, not special: contrast, clipping, graph and
item-item part are all at work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from torch import Tensor

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.data.interactions import Interactions
from fedshare.data.synthetic import random_world
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareFraction, SharePolicy
from fedshare.sharing.state import State
from fedshare.simulation.run import Run
from fedshare.simulation.train import train
from fedshare.training.algorithm import Algorithm

__all__ = [
    "FEW",
    "run_bytes",
    "same_run",
    "server_bytes",
    "small_fedshare",
    "small_ledger",
    "swap_private_pair",
    "tensors_in",
    "train_small",
]

FEW = 2
"The ``min_cohort`` of tests: their data sets have few people, and say so."


def train_small(algorithm: Algorithm, ledger: Ledger, **options: Any) -> Run:
    """``fedshare.train`` with a ``min_cohort`` of :data:`FEW`, set openly, since tests train on a dozen people."""
    options.setdefault("min_cohort", FEW)
    return train(algorithm, ledger, **options)


def small_ledger(share_of: float | SharePolicy = 0.5, *, seed: int = 0, n_users: int = 14, n_items: int = 30) -> Ledger:
    """People with about nine interactions each, of which they share a fraction.

    Args:
        share_of: The fraction, or a policy.
        seed: Of the world and of the shares.
        n_users: People.
        n_items: Catalogue.
    """
    policy = ShareFraction(share_of) if isinstance(share_of, int | float) else share_of
    return share(random_world(seed, n_users, n_items, 9 * n_users), policy, seed=seed)


def small_fedshare(**options: Any) -> FedShare:
    """FedShare with few numbers; ``options`` override.

    Example:
        >>> small_fedshare(layers=1).layers
        1
    """
    small = {"embedding_size": 8, "pseudo_items": 10, "pseudo_ratio": 1.0, "negatives": 16, "learning_rate": 0.1}
    return FedShare(**(small | options))


def swap_private_pair(ledger: Ledger, user: str) -> Ledger:
    """The same ledger in a world where one private interaction of a user is with another item.

    Args:
        ledger: Made by sharing by slider or by name; its events are kept.
        user: Has a private interaction, and has not every item.
    """
    known = ledger.known
    index = known.users.index(user)
    mine = slice(int(known.offsets[index]), int(known.offsets[index + 1]))
    place = mine.start + int(np.flatnonzero(ledger.state[mine] == State.PRIVATE)[0])
    other = int(np.setdiff1d(np.arange(known.n_items), known.item[mine])[0])
    items = known.item.copy()
    items[place] = other
    order = np.lexsort((items, known.user))
    times = None if known.timestamp is None else known.timestamp[order]
    changed = Interactions(
        users=known.users, items=known.items, user=known.user[order], item=items[order], timestamp=times
    )
    return Ledger(changed, seed=ledger.seed, events=ledger.events)


def run_bytes(run: Run) -> dict[str, bytes]:
    """The bytes of every tensor of a run, server, snapshots and devices, and of what was chosen."""
    server, devices = run.server, run.devices
    parts = {
        "server": server.state,
        "snapshots": server.history,
        "published": devices.released.published(),
        "devices": {"private": devices.private, "personal": devices.released.personal},
    }
    return {path: tensor.detach().cpu().numpy().tobytes() for path, tensor in tensors_in(parts)} | {
        "chosen": repr(server.state.chosen).encode(),
        "shared": server.view.keys.tobytes(),
    }


def server_bytes(run: Run) -> dict[str, bytes]:
    """Those of the server and of what it published alone."""
    return {path: each for path, each in run_bytes(run).items() if not path.startswith("devices.private")}


def same_run(run: Run, other: Run) -> bool:
    """Whether two runs hold the same bits."""
    return run_bytes(run) == run_bytes(other)


def tensors_in(value: object, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor reachable through dataclass fields, mappings and sequences, with the way to it."""
    if isinstance(value, Tensor):
        yield path, value
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from tensors_in(getattr(value, each.name), f"{path}.{each.name}".lstrip("."))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from tensors_in(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from tensors_in(each, f"{path}.{index}".lstrip("."))
