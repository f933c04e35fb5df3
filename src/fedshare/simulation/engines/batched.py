"""Whole cohorts at once, as ragged tensors: the default engine.

Single uploads are not built unless a transform or an observer needs them; their sum is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.federation.messages import INDEX_BYTES, VALUE_BYTES, row_values
from fedshare.federation.payload import Payload, array_bytes
from fedshare.federation.tasks import Cohort
from fedshare.federation.transforms import apply_chain, value_bytes
from fedshare.simulation.clients import Clients
from fedshare.simulation.engines.engine import LocalRound, LocalWork

__all__ = ["Batched", "cohort_of"]

_WRITTEN_OUT = 128
"Devices side by side where every number of every upload is in memory."


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

    def run(self, work: LocalWork) -> LocalRound:
        """One round; see :class:`fedshare.simulation.engines.Engine`."""
        order, private, loss = work.order, work.private, 0.0
        sums: dict[str, dict[str, Tensor]] = {"tables": {}, "arrays": {}}
        for users, clients in self._steps(work):
            cohort = cohort_of(clients, users, order.payload, work.private, order.seed, order.number)
            result = order.task.train(cohort)
            uploads = apply_chain(order.transforms, result.uploads, work.whose(list(clients.user_ids)))
            if work.observer is not None:
                uploads = uploads.written_out()
                work.observer.saw(order.number, list(clients.user_ids), uploads)
            for kind, parts in (("tables", uploads.tables), ("arrays", uploads.arrays)):
                for name, part in parts.items():
                    total = part.total()
                    sums[kind][name] = sums[kind][name].add_(total) if name in sums[kind] else total
            private = _replaced(private, users, result.private)
            loss += float(result.loss.sum())
        down, up = _bytes(work, sums)
        return LocalRound(sums["tables"], sums["arrays"], private, loss, down, up)

    def _steps(self, work: LocalWork) -> Iterator[tuple[Tensor, Clients]]:
        size = self.clients_per_step
        if work.observer is not None or any(link.one_by_one for link in work.order.transforms):
            size = min(size, _WRITTEN_OUT)
        if work.everyone:
            yield from work.clients.partition(size)
            return
        for part in work.users.to(work.clients.known.columns.device).split(size):
            yield part, work.clients.select(part)


def cohort_of(
    clients: Clients,
    users: Tensor,
    payload: Payload,
    private: Mapping[str, Tensor],
    seed: int,
    round_number: int,
) -> Cohort:
    """Devices side by side, with everything published in reach of their patterns.

    Args:
        clients: The devices.
        users: Their places among everybody.
        payload: What the server offers.
        private: ``(n_users, ...)`` private state of everybody.
        seed: The run's seed.
        round_number: From 1.
    """
    device = clients.known.columns.device
    if payload.recipients is None:
        received = torch.zeros(len(users), device=device)
        personal = {name: torch.zeros_like(rows[users]) for name, rows in payload.personal.items()}
    else:
        received = payload.recipients[users].float()
        personal = {
            name: rows[users] * received.reshape(-1, *[1] * (rows.dim() - 1)) for name, rows in payload.personal.items()
        }
    return Cohort(
        known=clients.known,
        pseudo=clients.pseudo,
        tables=payload.tables,
        arrays=payload.arrays,
        personal=personal,
        received=received,
        private={name: rows if len(users) == len(rows) else rows[users] for name, rows in private.items()},
        names=clients.user_ids,
        seed=seed,
        round=round_number,
    )


def _replaced(private: Mapping[str, Tensor], users: Tensor, new: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Everybody's private state with that of some devices taken from ``new``."""
    changed = {}
    for name, rows in private.items():
        if len(users) == len(rows):
            changed[name] = new[name]
            continue
        changed[name] = rows.clone()
        changed[name][users] = new[name]
    return changed


def _bytes(work: LocalWork, sums: Mapping[str, Mapping[str, Tensor]]) -> tuple[int, int]:
    """What the messages of this round would weigh, down and up; equal to counting them one by one."""
    payload, whole = work.order.payload, work.order.task.downloads_everything
    users = work.users.to(work.clients.known.columns.device)
    counts = work.clients.rows_per_client[users]
    rows = len(users) * (payload.n_items or 0) if whole else int(counts.sum())
    per_row = 0 if whole else INDEX_BYTES
    receiving = 0 if payload.recipients is None else int(payload.recipients[users].sum())
    personal = sum(rows[0].numel() * rows.element_size() for rows in payload.personal.values())
    down = rows * (per_row * bool(payload.tables) + VALUE_BYTES * row_values(payload.tables))
    down += len(users) * array_bytes(payload.arrays) + receiving * personal
    size = value_bytes(work.order.transforms)
    up = rows * per_row * bool(sums["tables"])
    up += round(rows * row_values(sums["tables"]) * size)
    up += round(len(users) * sum(each.numel() for each in sums["arrays"].values()) * size)
    return down, up
