"""Whether a training can fit into memory, asked before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fedshare.errors import BadOption

if TYPE_CHECKING:
    from fedshare.sharing.ledger import Ledger
    from fedshare.training.algorithm import Algorithm

__all__ = ["available_bytes", "check_memory"]

LONGEST_VECTOR = 16_384
"Numbers in a vector, at most: rankings of a million items are told apart with far fewer."
_COPIES = 4
"A vector of each person and item, two moments of the optimiser, and a gradient."
_FLOAT = 4


def check_memory(algorithm: Algorithm, ledger: Ledger, *, available: int | None = None) -> None:
    """Raise if vectors or negatives of such a size cannot fit.

    It is an estimate from below: what is refused is far too large.

    Args:
        algorithm: Looked at for ``embedding_size`` and ``negatives``.
        ledger: Says how many people, items and pairs there are.
        available: Bytes; those of the machine without.

    Raises:
        BadOption: They cannot.
    """
    known = ledger.known
    available = available_bytes() if available is None else available
    wanted = {
        "embedding_size": _COPIES * (known.n_users + known.n_items) * _FLOAT,
        "negatives": _FLOAT * max(1, int(known.user_degree().max(initial=0))),  # of one device
    }
    for name, bytes_each in wanted.items():
        size = getattr(algorithm, name, 0)
        needed = size * bytes_each
        too_long = name == "embedding_size" and size > LONGEST_VECTOR
        if too_long or needed > available:
            bound = (
                min(LONGEST_VECTOR, available // bytes_each) if name == "embedding_size" else available // bytes_each
            )
            raise BadOption(
                f"{name}: got {size:,}, which takes about {_size(needed)} of memory at least for {known.n_users:,} "
                f"people and {known.n_items:,} items, of {_size(available)} there are; expected at most {bound:,}. "
                "Take a smaller one."
            )


def available_bytes() -> int:
    """Memory of the machine, or of the container if that has less."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # another system
        machine = 1 << 40
    try:
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a bound
        return machine


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:,.0f} MiB"
