"""One device at a time, every message made and measured: the readable reference for the other engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from fedshare.federation.aggregation import add_updates
from fedshare.federation.clients import ClientStore
from fedshare.federation.cohorts import Cohort
from fedshare.federation.engines.engine import LocalRound, RoundRequest
from fedshare.federation.messages import ClientUpdate, Download
from fedshare.federation.privacy import local_noise
from fedshare.models.ragged import Ragged
from fedshare.models.table import Table

__all__ = ["Sequential"]


@dataclass(frozen=True)
class Sequential:
    """Runs devices one after the other."""

    def run(self, request: RoundRequest) -> LocalRound:
        """One round; see :class:`fedshare.federation.engines.Engine`."""
        private: list[Table] = []
        counted = {"loss": 0.0, "down": 0, "up": 0}

        def updates() -> Iterator[ClientUpdate]:
            for user in request.users.tolist():
                download = _download(request, user)
                update, row, loss = _on_device(request, user, download)
                private.append(row)
                counted["loss"] += loss
                counted["down"] += download.nbytes
                counted["up"] += update.nbytes
                yield update

        items = request.published.items
        gradient = add_updates(updates(), *items.shape, device=str(items.device))
        rows = Table(*(torch.cat(parts) for parts in zip(*(row._parts() for row in private), strict=True)))
        store = ClientStore(request.store.table.replace_rows(request.users.to(items.device), rows))
        return LocalRound(gradient, store, counted["loss"], counted["down"], counted["up"])


def _download(request: RoundRequest, user: int) -> Download:
    """What the server sends: it is asked for rows and does not learn which of them are known."""
    one = torch.tensor([user], device=request.published.items.device)
    rows = torch.cat([request.clients.known.select(one).columns, request.clients.pseudo.select(one).columns])
    rows = rows.sort().values
    published = request.published
    sharing = published.users is not None and published.has_view is not None and bool(published.has_view[user])
    view = published.users[user] if sharing and published.users is not None else None
    return Download(rows, published.items[rows], view)


def _on_device(request: RoundRequest, user: int, download: Download) -> tuple[ClientUpdate, Table, float]:
    one = torch.tensor([user], device=download.values.device)
    mine = request.clients.select(one)

    def local(pattern: Ragged) -> Ragged:  # item numbers become positions in the downloaded rows
        return Ragged(pattern.offsets, torch.searchsorted(download.rows, pattern.columns), len(download.rows))

    has_view = download.global_view is not None
    view = (
        download.global_view
        if download.global_view is not None
        else download.values.new_zeros(download.values.shape[1])
    )
    cohort = Cohort(
        known=local(mine.known),
        pseudo=local(mine.pseudo),
        items=download.values,
        private=request.store.table.select(one),
        global_views=view.unsqueeze(0),
        has_view=torch.full((1,), float(has_view), device=view.device),
    )
    result = request.task(cohort)
    values = result.gradient
    if request.noise_scale > 0:
        shape = (values.shape[0], values.shape[1])
        noise = local_noise(shape, request.noise_scale, request.seed, mine.user_ids[0], request.round_number)
        values = values + noise.to(values.device)
    return ClientUpdate(download.rows, values), result.private, float(result.loss.sum())
