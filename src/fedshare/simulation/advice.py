"""Advice before a method is carried out that will not do what people hope for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from fedshare.errors import LargeWithdrawal
from fedshare.unlearning.contrastive import ContrastiveUnlearning

if TYPE_CHECKING:
    from fedshare.sharing.request import Request
    from fedshare.simulation.run import Run
    from fedshare.unlearning.unlearner import Unlearner

__all__ = ["advice_on", "warn_of_size"]

_LARGE = 0.25
"""Part of the share set. On MovieLens-100K contrastive unlearning cost 6 % of NDCG@20 where a quarter of the pairs
went, and up to 3 % on some seeds where a twentieth did; with everything taken back there is nothing left to go by."""


def advice_on(run: Run, request: Request, method: Unlearner) -> str | None:
    """A sentence, if another method would serve the request better; None if not."""
    n_shared, n_gone = len(run.server.view), request.n_withdrawn_from_server
    if not isinstance(method, ContrastiveUnlearning) or n_gone < _LARGE * max(1, n_shared):
        return None
    return (
        f"this request takes back {n_gone:,} of {n_shared:,} shared pairs at once; contrastive unlearning costs "
        "quality at such sizes. Training again does not: `method=Retrain()`."
    )


def warn_of_size(run: Run, request: Request, method: Unlearner) -> None:
    """Warn of what :func:`advice_on` says.

    Warns:
        LargeWithdrawal: Training again would serve the request better.
    """
    sentence = advice_on(run, request, method)
    if sentence is not None:
        warnings.warn(sentence, LargeWithdrawal, stacklevel=3)
