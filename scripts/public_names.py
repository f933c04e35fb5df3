"""Writes src/fedshare/__init__.pyi: the package's public names, and where each comes from.

Algorithms and unlearning methods come from their registries; the rest is listed here. The package loads names lazily
from that very file (see ``fedshare/__init__.py``), and a type checker reads it, so there is one list.
"""

from __future__ import annotations

from pathlib import Path

from fedshare.algorithms.registry import ALGORITHMS
from fedshare.unlearning.registry import METHODS

STUB = Path(__file__).parent.parent / "src" / "fedshare" / "__init__.pyi"

NAMES = {
    "fedshare.algorithms.fedshare.item_item": ("ItemItem", "ItemItemChoice"),
    "fedshare.algorithms.shared_ease.solution": ("EaseChoice",),
    "fedshare.data.filters": ("k_core",),
    "fedshare.data.interactions": ("Interactions",),
    "fedshare.data.load": ("load",),
    "fedshare.data.splits": (
        "canonical_split",
        "default_split",
        "holdout_validation",
        "leave_last_out",
        "random_split",
        "split_at_time",
        "split_by_time",
    ),
    "fedshare.errors": ("DataWarning", "FedShareError", "LargeWithdrawal", "SecondWithdrawal"),
    "fedshare.evaluation.audit": ("AuditPolicy", "AuditReport", "audit"),
    "fedshare.evaluation.evaluate": ("Evaluation", "evaluate"),
    "fedshare.sharing.ledger": ("Ledger", "due", "share"),
    "fedshare.sharing.policy": (
        "Group",
        "ShareByTier",
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
    "fedshare.sharing.request": ("Request",),
    "fedshare.sharing.request_file": ("read_requests",),
    "fedshare.sharing.rules": (
        "NeverAfter",
        "NeverBefore",
        "NeverCategory",
        "NeverGifts",
        "ShareUntil",
        "parse_rule",
    ),
    "fedshare.simulation.device_export": ("export_device", "import_device"),
    "fedshare.simulation.device_run": ("DeviceRun",),
    "fedshare.simulation.engines.batched": ("Batched",),
    "fedshare.simulation.engines.sequential": ("Sequential",),
    "fedshare.simulation.purge": ("Purge", "purge"),
    "fedshare.simulation.refresh": ("refresh",),
    "fedshare.simulation.run": ("Run",),
    "fedshare.simulation.train": ("resume", "train"),
    "fedshare.simulation.unlearn": ("unlearn",),
    "fedshare.simulation.update_log": ("UnsafeUpdateLog",),
    "fedshare.simulation.verify": ("Verification", "verify"),
    "fedshare.training.history": ("Nothing", "Snapshots"),
    "fedshare.training.server_run": ("ServerRun",),
}


def text() -> str:
    """The stub."""
    listed = {module: set(names) for module, names in NAMES.items()}
    for row in (*ALGORITHMS.values(), *METHODS.values()):
        listed.setdefault(row.cls.__module__, set()).add(row.cls.__name__)
    lines = [f"from {module} import {name} as {name}" for module in sorted(listed) for name in sorted(listed[module])]
    names = sorted({name for several in listed.values() for name in several})
    head = '"""Public names; written by scripts/public_names.py."""\n\n'
    return head + "\n".join(lines) + "\n\n__all__ = [\n" + "".join(f'    "{name}",\n' for name in names) + "]\n"


if __name__ == "__main__":
    STUB.write_text(text(), encoding="utf-8")
    print(f"wrote {STUB}")
