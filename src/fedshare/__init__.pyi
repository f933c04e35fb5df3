"""Public names; written by scripts/public_names.py."""

from fedshare.algorithms.fedmf import FedMF as FedMF
from fedshare.algorithms.fedncf import FedNCF as FedNCF
from fedshare.algorithms.fedshare.algorithm import FedShare as FedShare
from fedshare.algorithms.fedshare.item_item import ItemItem as ItemItem
from fedshare.algorithms.fedshare.item_item import ItemItemChoice as ItemItemChoice
from fedshare.algorithms.lightgcn import LightGCN as LightGCN
from fedshare.algorithms.pfedrec import PFedRec as PFedRec
from fedshare.algorithms.popularity import Popularity as Popularity
from fedshare.algorithms.popularity import Random as Random
from fedshare.algorithms.shared_ease.algorithm import SharedEASE as SharedEASE
from fedshare.algorithms.shared_ease.solution import EaseChoice as EaseChoice
from fedshare.data.filters import k_core as k_core
from fedshare.data.interactions import Interactions as Interactions
from fedshare.data.load import load as load
from fedshare.data.splits import canonical_split as canonical_split
from fedshare.data.splits import default_split as default_split
from fedshare.data.splits import holdout_validation as holdout_validation
from fedshare.data.splits import leave_last_out as leave_last_out
from fedshare.data.splits import random_split as random_split
from fedshare.data.splits import split_at_time as split_at_time
from fedshare.data.splits import split_by_time as split_by_time
from fedshare.errors import DataWarning as DataWarning
from fedshare.errors import FedShareError as FedShareError
from fedshare.errors import LargeWithdrawal as LargeWithdrawal
from fedshare.errors import SecondWithdrawal as SecondWithdrawal
from fedshare.evaluation.audit import AuditPolicy as AuditPolicy
from fedshare.evaluation.audit import AuditReport as AuditReport
from fedshare.evaluation.audit import audit as audit
from fedshare.evaluation.evaluate import Evaluation as Evaluation
from fedshare.evaluation.evaluate import evaluate as evaluate
from fedshare.sharing.ledger import Ledger as Ledger
from fedshare.sharing.ledger import due as due
from fedshare.sharing.ledger import share as share
from fedshare.sharing.policy import Group as Group
from fedshare.sharing.policy import ShareByTier as ShareByTier
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
from fedshare.sharing.request_file import read_requests as read_requests
from fedshare.sharing.rules import NeverAfter as NeverAfter
from fedshare.sharing.rules import NeverBefore as NeverBefore
from fedshare.sharing.rules import NeverCategory as NeverCategory
from fedshare.sharing.rules import NeverGifts as NeverGifts
from fedshare.sharing.rules import ShareUntil as ShareUntil
from fedshare.sharing.rules import parse_rule as parse_rule
from fedshare.simulation.device_export import export_device as export_device
from fedshare.simulation.device_export import import_device as import_device
from fedshare.simulation.device_run import DeviceRun as DeviceRun
from fedshare.simulation.engines.batched import Batched as Batched
from fedshare.simulation.engines.sequential import Sequential as Sequential
from fedshare.simulation.purge import Purge as Purge
from fedshare.simulation.purge import purge as purge
from fedshare.simulation.refresh import refresh as refresh
from fedshare.simulation.run import Run as Run
from fedshare.simulation.train import resume as resume
from fedshare.simulation.train import train as train
from fedshare.simulation.unlearn import unlearn as unlearn
from fedshare.simulation.update_log import UnsafeUpdateLog as UnsafeUpdateLog
from fedshare.simulation.verify import Verification as Verification
from fedshare.simulation.verify import verify as verify
from fedshare.training.history import Nothing as Nothing
from fedshare.training.history import Snapshots as Snapshots
from fedshare.training.server_run import ServerRun as ServerRun
from fedshare.unlearning.contrastive import ContrastiveUnlearning as ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly as DropOnly
from fedshare.unlearning.exact import ExactUnlearning as ExactUnlearning
from fedshare.unlearning.fine_tune import FineTune as FineTune
from fedshare.unlearning.retrain import Retrain as Retrain

__all__ = [
    "AuditPolicy",
    "AuditReport",
    "Batched",
    "ContrastiveUnlearning",
    "DataWarning",
    "DeviceRun",
    "DropOnly",
    "EaseChoice",
    "Evaluation",
    "ExactUnlearning",
    "FedMF",
    "FedNCF",
    "FedShare",
    "FedShareError",
    "FineTune",
    "Group",
    "Interactions",
    "ItemItem",
    "ItemItemChoice",
    "LargeWithdrawal",
    "Ledger",
    "LightGCN",
    "NeverAfter",
    "NeverBefore",
    "NeverCategory",
    "NeverGifts",
    "Nothing",
    "PFedRec",
    "Popularity",
    "Purge",
    "Random",
    "Request",
    "Retrain",
    "Run",
    "SecondWithdrawal",
    "Sequential",
    "ServerRun",
    "ShareByTier",
    "ShareEverything",
    "ShareFraction",
    "ShareItems",
    "ShareMixture",
    "ShareNewest",
    "ShareNothing",
    "ShareOldest",
    "ShareUntil",
    "ShareUsers",
    "SharedEASE",
    "Snapshots",
    "UnsafeUpdateLog",
    "Verification",
    "audit",
    "canonical_split",
    "default_split",
    "due",
    "evaluate",
    "export_device",
    "holdout_validation",
    "import_device",
    "k_core",
    "leave_last_out",
    "load",
    "parse_rule",
    "parse_share",
    "purge",
    "random_split",
    "read_requests",
    "refresh",
    "resume",
    "share",
    "split_at_time",
    "split_by_time",
    "train",
    "unlearn",
    "verify",
]
