"""One device at a time, every message made and measured: the readable reference for the other engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedshare.federation.messages import ClientUpdate, Download
from fedshare.federation.tasks import Cohort
from fedshare.federation.transforms import apply_chain, value_bytes
from fedshare.federation.uploads import Part, Rows, Uploads
from fedshare.models.ragged import Ragged
from fedshare.simulation.engines.engine import LocalRound, LocalWork

__all__ = ["Sequential"]


@dataclass(frozen=True)
class Sequential:
    """Runs devices one after the other."""

    def run(self, work: LocalWork) -> LocalRound:
        """One round; see :class:`fedshare.simulation.engines.Engine`."""
        n_items = work.order.payload.n_items or 0
        tables: dict[str, Tensor] = {}
        arrays: dict[str, Tensor] = {}
        private = {name: rows.clone() for name, rows in work.private.items()}
        loss, down, up = 0.0, 0, 0
        for user in work.users.tolist():
            download = _download(work, user)
            update, mine, its_loss = _on_device(work, user, download)
            for name, values in update.tables.items():  # running sums: all updates at once do not fit at 1e5 users
                if name not in tables:
                    tables[name] = values.new_zeros(n_items, *values.shape[1:])
                tables[name].index_add_(0, update.rows, values)
            for name, values in update.arrays.items():
                arrays[name] = arrays[name] + values if name in arrays else values
            for name, row in mine.items():
                private[name][user] = row[0]
            loss, down, up = loss + its_loss, down + download.nbytes, up + update.nbytes
        return LocalRound(tables, arrays, private, loss, down, up)


def _download(work: LocalWork, user: int) -> Download:
    """What the server sends: it is asked for rows and does not learn which of them are known."""
    payload, whole = work.order.payload, work.order.task.downloads_everything
    one = torch.tensor([user], device=work.clients.known.columns.device)
    if whole:
        rows = torch.arange(payload.n_items or 0, dtype=torch.int32, device=one.device)
    else:
        rows = torch.cat([work.clients.known.select(one).columns, work.clients.pseudo.select(one).columns])
        rows = rows.sort().values
    meant = payload.recipients is not None and bool(payload.recipients[user])
    return Download(
        rows=rows,
        tables={name: table[rows] for name, table in payload.tables.items()},
        arrays=payload.arrays,
        personal={name: each[user] for name, each in payload.personal.items()} if meant else None,
        whole=whole,
    )


def _on_device(work: LocalWork, user: int, download: Download) -> tuple[ClientUpdate, Mapping[str, Tensor], float]:
    """All that happens on one device: it reads the download and its own state, and makes its update."""
    order, device = work.order, download.rows.device
    one = torch.tensor([user], device=device)
    mine = work.clients.select(one)

    def local(pattern: Ragged) -> Ragged:  # item numbers become positions in the downloaded rows
        return Ragged(pattern.offsets, torch.searchsorted(download.rows, pattern.columns), len(download.rows))

    personal = download.personal or {
        name: rows.new_zeros(rows.shape[1:]) for name, rows in order.payload.personal.items()
    }
    cohort = Cohort(
        known=local(mine.known),
        pseudo=local(mine.pseudo),
        tables=download.tables,
        arrays=download.arrays,
        personal={name: each.unsqueeze(0) for name, each in personal.items()},
        received=torch.full((1,), float(download.personal is not None), device=device),
        private={name: rows[one] for name, rows in work.private.items()},
        names=mine.user_ids,
        seed=order.seed,
        round=order.number,
    )
    result = order.task.train(cohort)
    uploads = apply_chain(order.transforms, result.uploads, work.whose(list(mine.user_ids)))
    if work.observer is not None:
        uploads = uploads.written_out()
        work.observer.saw(order.number, list(mine.user_ids), _by_item(uploads, download.rows, order.payload.n_items))
    update = ClientUpdate(
        rows=download.rows,
        tables={name: part.total() for name, part in uploads.tables.items()},
        arrays={name: part.total() for name, part in uploads.arrays.items()},
        whole=download.whole,
        value_bytes=value_bytes(order.transforms),
    )
    return update, result.private, float(result.loss.sum())


def _by_item(uploads: Uploads, rows: Tensor, n_items: int | None) -> Uploads:
    """Positions in the downloaded rows become item numbers again."""

    def renumbered(part: Part) -> Part:
        if not isinstance(part, Rows):
            return part
        pattern = Ragged(part.pattern.offsets, rows[part.pattern.columns], n_items or 0)
        return Rows(pattern, part.values)

    return Uploads({name: renumbered(part) for name, part in uploads.tables.items()}, uploads.arrays)
