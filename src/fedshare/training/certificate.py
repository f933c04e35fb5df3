"""Certificates: what a model was computed from, in digests that anybody who holds the share set can recompute.

A certificate names the share set, the catalogue, the counts, the options and the published weights, and the certificate
before it, so that the certificates of one model form a chain. A run carries the last one only. Its ``salt`` is drawn
anew each time: whoever sees just the digest of an earlier certificate, as the next one quotes it, cannot test guesses
of what was withdrawn in between. Who keeps an earlier certificate whole can, and should have a reason to.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, Literal, Protocol, final, runtime_checkable

import scipy.linalg  # loads the library that certificates name
from threadpoolctl import threadpool_info

from fedshare.errors import DamagedRun
from fedshare.training.algorithm import ServerState
from fedshare.training.server_side import ServerSide

__all__ = ["Certificate", "Certifying", "catalogue_digest", "numerics"]

How = Literal["factorised", "updated"]


@final
@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Digests are SHA-256, 64 hex digits."""

    share_set: str
    "Version of the share set, see ``Ledger.version``."
    catalogue: str
    "Of the items' ids in their order: what rows and columns stand for."
    options: Mapping[str, float]
    "What was chosen, such as the regulariser."
    gram: str
    "Of the counts of what is shared. Whole numbers: the same on every machine."
    contributed: str | None = None
    "Of the counts that came by secure sum; nobody can recompute these."
    weights: str
    "Of the published weights."
    how: How
    """``factorised``: from the counts alone, so that the same numerics give the same bytes. ``updated``: from the
    weights before, which agree with a factorisation to ``tolerance``."""
    updates: int = 0
    "Updates since the last factorisation."
    tolerance: float = 0.0
    "Largest difference of a weight from that of a factorisation."
    numerics: str
    "What computed the weights: other libraries or processors may differ in last bits."
    previous: str | None = None
    "Digest of the certificate before."
    salt: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def digest(self) -> str:
        """Of all of this."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(b"fedshare certificate 1\n" + text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values; :meth:`from_dict` reads them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Certificate:
        """A certificate of plain values.

        Raises:
            DamagedRun: They are not those of a certificate.
        """
        names = {each.name for each in fields(cls)}
        if set(values) != names or values["how"] not in ("factorised", "updated"):
            raise DamagedRun(
                f"certificate: got {', '.join(sorted(values))}, expected {', '.join(sorted(names))}. Restore the run "
                "from a copy, or train again."
            )
        return cls(**values)


@runtime_checkable
class Certifying(Protocol):
    """An algorithm whose models can be computed again and compared."""

    def certify(self, state: ServerState, server: ServerSide, previous: Certificate | None = None) -> Certificate:
        """The certificate of a model that was computed from nothing on this share set."""
        ...


def catalogue_digest(items: Iterable[str]) -> str:
    """Of the items' ids in their order."""
    return hashlib.sha256(b"fedshare catalogue 1\n" + json.dumps(list(items)).encode()).hexdigest()


@cache
def numerics() -> str:
    """What factorises here: library, version and the kind of processor that it is tuned for.

    SciPy's wheels bring an OpenBLAS of their own, and NumPy's another one with nearly the same name. Where SciPy uses a
    library of the system instead, all that are loaded are named, in an order that does not depend on the process.
    """
    libraries = [each for each in threadpool_info() if each["user_api"] == "blas"]
    own = [each for each in libraries if "scipy.libs" in each["filepath"] or ".dylibs" in each["filepath"]]
    names = {
        " ".join(str(each[part]) for part in ("internal_api", "version", "architecture") if each.get(part))
        for each in own or libraries
    }
    return ", ".join([f"scipy {scipy.__version__}", *sorted(names)])
