"""Hand-made worlds: a few people, a catalogue of single letters, and runs that are nothing but a table of scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from fedshare.data.interactions import Interactions
from fedshare.data.vocabulary import Vocabulary
from fedshare.evaluation import Cost
from fedshare.models.scorer import MatrixScorer
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareNothing


def table(catalogue: str, choices: dict[str, str]) -> Interactions:
    """Pairs such as {"ann": "abc"} over a catalogue such as "abcdef"; "u1" to "u9" and so on need sorted names."""
    items = Vocabulary("item", tuple(catalogue))
    users = Vocabulary("user", tuple(choices))
    pairs = [(u, i) for u, chosen in enumerate(choices.values()) for i in sorted(map(catalogue.index, chosen))]
    user, item = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    return Interactions(users=users, items=items, user=user, item=item)


def ledger(known: Interactions, shared: dict[str, str] | None = None) -> Ledger:
    """A ledger in which these pairs are shared."""
    ledger = share(known, ShareNothing())
    for user, items in (shared or {}).items():
        ledger = ledger.share(user, items=list(items))
    return ledger


@dataclass
class TableRun:
    """A run that is two tables of scores."""

    ledger: Ledger
    device: np.ndarray
    server: np.ndarray
    cost: Cost = field(default_factory=lambda: Cost(cpu_s=2.0, wall_s=2.0))

    @property
    def known(self) -> Interactions:
        return self.ledger.known

    def device_scorer(self) -> MatrixScorer:
        return MatrixScorer(self.device)

    def server_scorer(self) -> MatrixScorer:
        return MatrixScorer(self.server)


@pytest.fixture
def make():
    """The builders of this file: ``make.table``, ``make.ledger``, ``make.run``."""
    return SimpleNamespace(table=table, ledger=ledger, run=TableRun)
