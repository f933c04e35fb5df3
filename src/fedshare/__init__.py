"""FedShare: federated recommendation in which people choose what to share, and can take it back.

Everything a user needs hangs here; modules load on first use, so that ``import fedshare`` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedshare.data.filters import k_core as k_core
    from fedshare.data.interactions import Interactions as Interactions
    from fedshare.data.load import load as load
    from fedshare.data.splits import canonical_split as canonical_split
    from fedshare.data.splits import default_split as default_split
    from fedshare.data.splits import holdout_validation as holdout_validation
    from fedshare.data.splits import leave_last_out as leave_last_out
    from fedshare.data.splits import random_split as random_split
    from fedshare.data.splits import split_by_time as split_by_time
    from fedshare.errors import FedShareError as FedShareError
    from fedshare.evaluation.audit import AuditPolicy as AuditPolicy
    from fedshare.evaluation.audit import AuditReport as AuditReport
    from fedshare.evaluation.audit import audit as audit
    from fedshare.evaluation.evaluate import Evaluation as Evaluation
    from fedshare.evaluation.evaluate import evaluate as evaluate
    from fedshare.federation.engines.batched import Batched as Batched
    from fedshare.federation.engines.sequential import Sequential as Sequential
    from fedshare.learning.fedmf import FedMF as FedMF
    from fedshare.learning.fedshare import FedShare as FedShare
    from fedshare.learning.item_item import ItemItem as ItemItem
    from fedshare.learning.lightgcn import LightGCN as LightGCN
    from fedshare.learning.popularity import Popularity as Popularity
    from fedshare.learning.popularity import Random as Random
    from fedshare.learning.run import Run as Run
    from fedshare.learning.shared_ease import SharedEASE as SharedEASE
    from fedshare.learning.train import resume as resume
    from fedshare.learning.train import train as train
    from fedshare.learning.verification import Verification as Verification
    from fedshare.learning.verification import verify as verify
    from fedshare.sharing.ledger import Ledger as Ledger
    from fedshare.sharing.ledger import share as share
    from fedshare.sharing.policy import Group as Group
    from fedshare.sharing.policy import ShareEverything as ShareEverything
    from fedshare.sharing.policy import ShareFraction as ShareFraction
    from fedshare.sharing.policy import ShareItems as ShareItems
    from fedshare.sharing.policy import ShareMixture as ShareMixture
    from fedshare.sharing.policy import ShareNewest as ShareNewest
    from fedshare.sharing.policy import ShareNothing as ShareNothing
    from fedshare.sharing.policy import ShareOldest as ShareOldest
    from fedshare.sharing.policy import ShareUsers as ShareUsers
    from fedshare.sharing.policy import parse_share as parse_share
    from fedshare.sharing.request import Request as Request
    from fedshare.unlearning.contrastive import ContrastiveUnlearning as ContrastiveUnlearning
    from fedshare.unlearning.drop_only import DropOnly as DropOnly
    from fedshare.unlearning.exact import ExactUnlearning as ExactUnlearning
    from fedshare.unlearning.exact import refresh as refresh
    from fedshare.unlearning.fine_tune import FineTune as FineTune
    from fedshare.unlearning.retrain import Retrain as Retrain
    from fedshare.unlearning.unlearner import unlearn as unlearn

_HOME = {
    "data.filters": ("k_core",),
    "data.interactions": ("Interactions",),
    "data.load": ("load",),
    "data.splits": (
        "canonical_split",
        "default_split",
        "holdout_validation",
        "leave_last_out",
        "random_split",
        "split_by_time",
    ),
    "errors": ("FedShareError",),
    "evaluation.audit": ("AuditPolicy", "AuditReport", "audit"),
    "evaluation.evaluate": ("Evaluation", "evaluate"),
    "federation.engines.batched": ("Batched",),
    "federation.engines.sequential": ("Sequential",),
    "learning.fedmf": ("FedMF",),
    "learning.fedshare": ("FedShare",),
    "learning.item_item": ("ItemItem",),
    "learning.lightgcn": ("LightGCN",),
    "learning.popularity": ("Popularity", "Random"),
    "learning.run": ("Run",),
    "learning.shared_ease": ("SharedEASE",),
    "learning.train": ("resume", "train"),
    "learning.verification": ("Verification", "verify"),
    "sharing.ledger": ("Ledger", "share"),
    "sharing.policy": (
        "Group",
        "ShareEverything",
        "ShareFraction",
        "ShareItems",
        "ShareMixture",
        "ShareNewest",
        "ShareNothing",
        "ShareOldest",
        "ShareUsers",
        "parse_share",
    ),
    "sharing.request": ("Request",),
    "unlearning.contrastive": ("ContrastiveUnlearning",),
    "unlearning.drop_only": ("DropOnly",),
    "unlearning.exact": ("ExactUnlearning", "refresh"),
    "unlearning.fine_tune": ("FineTune",),
    "unlearning.retrain": ("Retrain",),
    "unlearning.unlearner": ("unlearn",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AuditPolicy",
    "AuditReport",
    "Batched",
    "ContrastiveUnlearning",
    "DropOnly",
    "Evaluation",
    "ExactUnlearning",
    "FedMF",
    "FedShare",
    "FedShareError",
    "FineTune",
    "Group",
    "Interactions",
    "ItemItem",
    "Ledger",
    "LightGCN",
    "Popularity",
    "Random",
    "Request",
    "Retrain",
    "Run",
    "Sequential",
    "ShareEverything",
    "ShareFraction",
    "ShareItems",
    "ShareMixture",
    "ShareNewest",
    "ShareNothing",
    "ShareOldest",
    "ShareUsers",
    "SharedEASE",
    "Verification",
    "audit",
    "canonical_split",
    "default_split",
    "evaluate",
    "holdout_validation",
    "k_core",
    "leave_last_out",
    "load",
    "parse_share",
    "random_split",
    "refresh",
    "resume",
    "share",
    "split_by_time",
    "train",
    "unlearn",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'fedshare' has no attribute '{name}'")
    value = getattr(import_module(f"fedshare.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
