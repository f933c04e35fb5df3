"""Everybody's devices in one process: one implementation of :class:`fedshare.federation.orders.Devices`.

A population is a session. It holds what people know and their devices' private state, answers orders with sums, and is
dropped afterwards with all that it has prepared; what lasts is :attr:`Population.private`, a value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from fedshare.errors import BadOption
from fedshare.evaluation.membership import compare_on_server, outscored
from fedshare.federation.orders import (
    MIN_COHORT,
    Aggregate,
    Ballot,
    CountsCall,
    MaskedSum,
    Outscored,
    Probe,
    Refit,
    RoundOrder,
    Votes,
    check_cohort,
)
from fedshare.federation.payload import Payload, array_bytes
from fedshare.federation.tasks import ClientTask, RankingTask, TrainingTask
from fedshare.models.ragged import Ragged
from fedshare.options import whole
from fedshare.sharing.holdout import Holdout
from fedshare.sharing.state import State
from fedshare.simulation.clients import Clients, draw_pseudo_items
from fedshare.simulation.contributions import collect
from fedshare.simulation.engines import Batched, Engine, LocalWork, UploadObserver, sample_cohort
from fedshare.simulation.engines.batched import cohort_of
from fedshare.simulation.validation import HeldOut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedshare.evaluation.pairs import Pairs
    from fedshare.models.scorer import Scorer
    from fedshare.sharing.ledger import Ledger
    from fedshare.sharing.request import Request

__all__ = ["Population"]

T = TypeVar("T")


@final
class Population:
    """Everybody's devices.

    Args:
        ledger: What people know, share, keep private and have erased.
        private: Private state of an earlier session; devices start afresh in round 1 anyway.
        engine: How devices are run; changes speed only.
        device: Torch device.
        min_cohort: People who have to stand behind an answer.
        request: What is being withdrawn, for orders that are about it.
        observer: Is shown single uploads.
        contributes: Whether people have agreed to count together what they do not share.

    Raises:
        BadOption: ``min_cohort`` below 1.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        private: Mapping[str, Tensor] | None = None,
        engine: Engine | None = None,
        device: str = "cpu",
        min_cohort: int = MIN_COHORT,
        request: Request | None = None,
        observer: UploadObserver | None = None,
        contributes: bool = False,
    ) -> None:
        whole("min_cohort", min_cohort, 1)
        self.ledger = ledger
        self.private: Mapping[str, Tensor] = private or {}
        self.engine = engine or Batched()
        self.device = device
        self.min_cohort = min_cohort
        self.request = request
        self.observer = observer
        self.contributes = contributes
        self._made: dict[Hashable, Any] = {}

    @property
    def n_users(self) -> int:
        return self.ledger.known.n_users

    @property
    def n_items(self) -> int:
        return self.ledger.known.n_items

    # -- what a server may ask --------------------------------------------------------------------------------------

    def train(self, order: RoundOrder) -> Aggregate:
        """See :class:`Devices`."""
        users = sample_cohort(self.n_users, order.participation, order.seed, order.number)
        clients = self._clients(order.task, order.seed, order.holdout)
        # who has nothing left hides nobody, unless that is so for everybody and there is nothing to hide
        n_people = int((clients.known.counts[users.to(clients.known.columns.device)] > 0).sum()) or len(users)
        check_cohort(f"round {order.number}", n_people, self.min_cohort)
        if order.holdout is not None and order.votes_follow:  # better known now than after 40 % of the rounds
            self._check_validation(len(self._held_out(order.holdout, order.seed, None).users))
        if order.number == 1:
            self.private = order.task.start(self.n_users, order.payload, order.seed)
        done = self.engine.run(LocalWork(order, clients, self.private, users, self.observer))
        self.private = done.private
        return Aggregate(
            n_people=n_people,
            min_cohort=self.min_cohort,
            tables=done.tables,
            arrays=done.arrays,
            loss=done.loss,
            bytes_up=done.bytes_up,
            bytes_down=done.bytes_down,
        )

    def validate(self, ballot: Ballot) -> Votes:
        """See :class:`Devices`."""
        held = self._held_out(ballot.holdout, ballot.seed, ballot.items)
        n_people, n_candidates = len(held.users), len(ballot.candidates)
        self._check_validation(n_people)
        ndcg = held.ndcg(self._candidates(ballot, held), ballot.k, n_candidates)
        gains = ndcg - ndcg[:1]
        downloaded = 0 if ballot.nothing_new else n_people * array_bytes(ballot.payload.arrays)
        return Votes(
            n_people=n_people,
            min_cohort=self.min_cohort,
            totals=tuple(ndcg.sum(1).tolist()),
            gains=tuple(gains.sum(1).tolist()),
            squared_gains=tuple((gains**2).sum(1).tolist()),
            bytes_down=downloaded,
        )

    def compare(self, probe: Probe) -> Outscored | None:
        """See :class:`Devices`."""
        pairs = compare_on_server(self._request())
        if len(pairs.strata) < max(self.min_cohort, 1):
            return None
        withdrawn, others = (_own_scores(probe.payload, each) for each in (pairs.withdrawn, pairs.others))
        each = np.concatenate([outscored(withdrawn[s.withdrawn], others[s.others]) for s in pairs.strata])
        return Outscored(
            n_people=len(pairs.strata), min_cohort=self.min_cohort, total=float(each.sum()), n_pairs=len(each)
        )

    def contribute(self, call: CountsCall) -> MaskedSum:
        """See :class:`Devices`."""
        if not self.contributes:
            raise BadOption("contributions: people have not agreed to any, expected private_contributions in training.")
        if call.n_items != self.n_items:
            raise BadOption(f"contributions: got a call for {call.n_items} items, expected {self.n_items}.")
        # who shares everything, or knows nothing, adds what the server knows already: they hide nobody
        n_people = len(np.unique(self.ledger.known.user[self.ledger.state == State.PRIVATE]))
        check_cohort("a sum of private contributions", n_people, self.min_cohort)
        values, sent = collect(self.ledger, call.seed)
        return MaskedSum(n_people=n_people, min_cohort=self.min_cohort, values=torch.from_numpy(values), bytes_up=sent)

    def refit(self, order: Refit) -> None:
        """See :class:`Devices`."""
        request = self._request()
        users = torch.from_numpy(np.unique(request.user[request.erased]).astype(np.int64))
        self.fit(order.task, order.payload, order.seed, users, order.steps)

    # -- what devices do for their owners ---------------------------------------------------------------------------

    def fit(self, task: TrainingTask, payload: Payload, seed: int, users: Tensor, steps: int) -> None:
        """Some devices fit their private state from nothing, with what is published held fixed.

        Args:
            task: What devices run.
            payload: What is published.
            seed: The run's seed.
            users: ``(n,)`` whose devices.
            steps: Rounds of local work.
        """
        users = users.to(self.device)
        fresh = task.start(self.n_users, payload, seed)
        clients = self._clients(task, seed, None).select(users)
        start = {name: rows[users] for name, rows in fresh.items()}
        cohort = cohort_of(clients, users, payload, fresh, seed, 0).with_private(start)
        fitted = task.refit(cohort, steps)
        changed = {name: rows.clone() for name, rows in self.private.items()}
        for name, rows in fitted.items():
            changed[name][users] = rows
        self.private = changed

    def scorer(self, task: ClientTask, released: Payload) -> Scorer:
        """What everybody's devices recommend from.

        Args:
            task: What devices run.
            released: What the server published last.
        """
        return task.scorer(released, self.private, self.histories)

    @property
    def histories(self) -> Ragged:
        """What each device knows."""
        return self._once(
            "histories", lambda: Ragged.from_numpy(*self.ledger.device_pairs(), self.n_items, self.device)
        )

    # -- inside -----------------------------------------------------------------------------------------------------

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _check_validation(self, n_people: int) -> None:
        if n_people:  # where nobody holds anything out, there is nothing to tell
            check_cohort("a choice by validation clients", n_people, self.min_cohort)

    def _request(self) -> Request:
        if self.request is None:
            raise BadOption("devices: got an order about a request, expected one only while something is withdrawn.")
        return self.request

    def _clients(self, task: TrainingTask, seed: int, holdout: Holdout | None) -> Clients:
        """All devices, with their pseudo-items and perhaps without what they hold out."""

        def build() -> Clients:
            offsets, items = self.ledger.device_pairs()
            names = self.ledger.known.users.ids
            pseudo = draw_pseudo_items(offsets, items, names, self.n_items, task.pseudo_items, task.pseudo_ratio, seed)
            return Clients(self.histories, Ragged.from_numpy(*pseudo, self.n_items, self.device), names)

        everything = self._once(("clients", task.pseudo_items, task.pseudo_ratio, seed), build)
        if holdout is None:
            return everything
        held = self._held_out(holdout, seed, None)
        key = ("clients without", task.pseudo_items, task.pseudo_ratio, seed, holdout)
        return self._once(key, lambda: everything.without(held.held_out, held.training))

    def _held_out(self, rule: Holdout, seed: int, items: Tensor | None) -> HeldOut:
        held = self._once(("held out", rule, seed), lambda: HeldOut.of(self.ledger, rule, seed, self.device))
        if items is None:
            return held
        key = ("held out of a part", rule, seed, items.cpu().numpy().tobytes())
        return self._once(key, lambda: held.on_items(items))

    def _candidates(self, ballot: Ballot, held: HeldOut) -> Callable[[Tensor], Iterator[Tensor]]:
        task, payload = ballot.task, ballot.payload
        if not isinstance(task, RankingTask):
            raise BadOption(f"ballot: got the task '{task.name}', expected one that ranks candidates.")
        if isinstance(task, TrainingTask):
            clients = self._clients(task, ballot.seed, ballot.holdout)
        else:
            nothing = Ragged(
                torch.zeros_like(held.training.offsets), held.training.columns[:0], held.training.n_columns
            )
            clients = Clients(held.training, nothing, self.ledger.known.users.ids)

        def scores_of(users: Tensor) -> Iterator[Tensor]:
            cohort = cohort_of(clients.select(users), users, payload, self.private, ballot.seed, 0)
            return task.candidate_scores(cohort, ballot.candidates, payload.numbers)

        return scores_of


def _own_scores(payload: Payload, pairs: Pairs) -> NDArray[np.float64]:
    """What each person's own global view says of some of their pairs."""
    views, items = payload.personal["view"], payload.tables["items"]
    user, item = (torch.tensor(each, dtype=torch.long, device=items.device) for each in pairs)
    return (views[user] * items[item]).sum(1).double().cpu().numpy()
