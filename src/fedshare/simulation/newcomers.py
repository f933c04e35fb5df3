"""Devices that are new: they fit private state of their own on what is published, and upload nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fedshare.data.interactions import Interactions
from fedshare.errors import RequestMismatch
from fedshare.federation.payload import Payload
from fedshare.federation.tasks import TrainingTask
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.state import State
from fedshare.simulation.device_run import DeviceRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["following", "welcomed"]

_STEPS = 30
"Steps of local work with which a new device begins."


def following(devices: DeviceRun, ledger: Ledger, seed: int) -> DeviceRun:
    """Devices after later events of their ledger, before the server has learned any of it.

    What people have bought since counts for their own recommendations at once, and whoever is new gets some: their
    device fits a vector on what is published. Items that are newer than the published model are not ranked by it.

    Args:
        devices: As a run has them.
        ledger: One that goes on from theirs.
        seed: The run's seed.

    Raises:
        RequestMismatch: ``ledger`` does not go on from theirs.
    """
    if ledger is devices.ledger:
        return devices
    if not ledger.extends(devices.ledger):
        raise RequestMismatch(
            f"ledger: {ledger!r} does not go on from the run's {devices.ledger!r}; expected the same data, seed and "
            "events, with events added. Make it from run.ledger."
        )
    n_items, known = len(devices.ledger.ids[1]), ledger.known
    there = known.item < n_items
    published = replace(known.select(there), items=known.items.first(n_items))
    return welcomed(devices, _restricted(ledger, published, there), devices.released, seed)


def welcomed(devices: DeviceRun, ledger: Ledger, payload: Payload, seed: int) -> DeviceRun:
    """The devices of a later ledger; those that are new have fitted their private state.

    Args:
        devices: As they were.
        ledger: Of the items that the payload has rows for.
        payload: What is published.
        seed: The run's seed.
    """
    after = replace(devices, ledger=ledger)
    if not devices.private or not isinstance(devices.task, TrainingTask):
        return after
    n_users = len(ledger.ids[0])
    with torch.no_grad():
        fresh = devices.task.start(n_users, payload, seed)
    private = {name: _filled(fresh[name], rows) for name, rows in devices.private.items()}
    after = replace(after, private=private)
    new = np.flatnonzero((_pairs_each(ledger, n_users) > 0) & (_pairs_each(devices.ledger, n_users) == 0))
    if not len(new):
        return after
    population = after.population()
    population.fit(devices.task, payload, seed, torch.from_numpy(new), _STEPS)
    return replace(after, private=population.private)


def _restricted(ledger: Ledger, published: Interactions, there: NDArray[np.bool_]) -> Ledger:
    """The same states on the pairs of published items."""
    return Ledger.restore(
        published,
        Ledger(published).event_columns(),
        ledger.seed,
        state=ledger.state[there],
        held_back=ledger.held_back[there],
        forgotten=ledger.forgotten,
    )


def _pairs_each(ledger: Ledger, n_users: int) -> NDArray[np.intp]:
    """How many pairs everybody has that are not erased, ``(n_users,)``."""
    return np.bincount(ledger.known.user[ledger.state != State.ERASED], minlength=n_users)


def _filled(fresh: Tensor, old: Tensor) -> Tensor:
    """Fresh rows with the old ones in their place."""
    if fresh.shape == old.shape:
        return old
    filled = fresh.clone()
    filled[tuple(slice(n) for n in old.shape)] = old
    return filled
