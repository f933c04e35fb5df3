"""Whole cohorts at once, as ragged tensors: the default engine.

Single uploads are never built; their sum is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.federation.clients import Clients, ClientStore
from fedshare.federation.cohorts import Cohort, Published
from fedshare.federation.engines.engine import LocalRound, RoundRequest
from fedshare.federation.messages import INDEX_BYTES, VALUE_BYTES
from fedshare.federation.privacy import local_noise
from fedshare.models.table import Table

__all__ = ["Batched"]


@dataclass(frozen=True)
class Batched:
    """Runs many devices in one step.

    Args:
        clients_per_step: Devices side by side; more is faster until memory runs short.
    """

    clients_per_step: int = 8192

    def __post_init__(self) -> None:
        if self.clients_per_step < 1:
            raise BadOption(f"clients_per_step: got {self.clients_per_step}, expected 1 or more.")

    def run(self, request: RoundRequest) -> LocalRound:
        """One round; see :class:`fedshare.federation.engines.Engine`."""
        published = request.published
        device = published.items.device
        gradient = torch.zeros_like(published.items)
        table = request.store.table
        loss = 0.0
        for users, clients in self._steps(request.clients, request.users.to(device), request.everyone):
            result = request.task(_cohort(clients, users, published, request.store.table))
            gradient += result.gradient
            table = result.private if len(users) == len(table) else table.replace_rows(users, result.private)
            loss += float(result.loss.sum())
            if request.noise_scale > 0:
                _add_noise(gradient, clients, request)
        down, up = _bytes(request)
        return LocalRound(gradient, ClientStore(table), loss, down, up)

    def _steps(self, clients: Clients, users: Tensor, everyone: bool) -> list[tuple[Tensor, Clients]]:
        if everyone:
            return clients.partition(self.clients_per_step)
        return [(part, clients.select(part)) for part in users.split(self.clients_per_step)]


def _cohort(clients: Clients, users: Tensor, published: Published, private: Table) -> Cohort:
    rows = private if len(users) == len(private) else private.select(users)
    if published.users is None or published.has_view is None:
        views, has_view = torch.zeros_like(rows.values), rows.values.new_zeros(len(users))
    else:
        has_view = published.has_view[users].to(rows.values.dtype)
        views = published.users[users] * has_view.unsqueeze(1)
    return Cohort(clients.known, clients.pseudo, published.items, rows, views, has_view)


def _add_noise(gradient: Tensor, clients: Clients, request: RoundRequest) -> None:
    """Each device's own noise on its own rows, the same numbers as one device at a time would draw."""
    known, pseudo = clients.known, clients.pseudo
    for index, name in enumerate(clients.user_ids):
        mine = slice(int(known.offsets[index]), int(known.offsets[index + 1]))
        hidden = slice(int(pseudo.offsets[index]), int(pseudo.offsets[index + 1]))
        rows = torch.cat([known.columns[mine], pseudo.columns[hidden]]).sort().values
        noise = local_noise(
            (len(rows), gradient.shape[1]), request.noise_scale, request.seed, name, request.round_number
        )
        gradient.index_add_(0, rows, noise.to(gradient.device))


def _bytes(request: RoundRequest) -> tuple[int, int]:
    """What the messages of this round would weigh; equal to counting them one by one."""
    dim = request.published.items.shape[1]
    rows = int(request.clients.rows_per_client[request.users.to(request.clients.known.columns.device)].sum())
    up = rows * (INDEX_BYTES + dim * VALUE_BYTES)
    has_view = request.published.has_view
    views = int(has_view[request.users.to(has_view.device)].sum()) if has_view is not None else 0
    return up + views * dim * VALUE_BYTES, up
