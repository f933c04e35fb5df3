"""Measuring: how well a model recommends, what it still knows of withdrawn pairs, what it cost. Needs no torch."""

from fedshare.cost import Cost, CpuClock, federaser_bytes, fru_bytes, peak_mib
from fedshare.evaluation.audit import Auditable, audit
from fedshare.evaluation.evaluate import Evaluable, Evaluation, evaluate
from fedshare.evaluation.policy import AuditPolicy, Breach
from fedshare.evaluation.report import AuditReport

__all__ = [
    "AuditPolicy",
    "AuditReport",
    "Auditable",
    "Breach",
    "Cost",
    "CpuClock",
    "Evaluable",
    "Evaluation",
    "audit",
    "evaluate",
    "federaser_bytes",
    "fru_bytes",
    "peak_mib",
]
