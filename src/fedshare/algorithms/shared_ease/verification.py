"""Verification: compute a certified model again, from the share set, and compare.

Counts are compared by digest, everywhere. Weights that were factorised with the same numerics are compared byte for
byte; with other numerics, or after updates, number by number to a tolerance, and the check says which it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.algorithms.shared_ease.solution import EaseChoice, Solution
from fedshare.errors import BadOption, VerificationFailed
from fedshare.models.gram import digest
from fedshare.training.certificate import Certificate, catalogue_digest, numerics
from fedshare.training.server_run import ServerRun

__all__ = ["Check", "Verification", "verify_server"]

_TOLERANCE = 1e-6
"""Largest difference of two float32 weights, at most 1 in size, that updates, other libraries or other processors
explain. The verifier's own bound: a certificate cannot ask for a wider one."""


class Check(NamedTuple):
    """One thing that was compared."""

    name: str
    holds: bool
    detail: str


@final
@dataclass(frozen=True)
class Verification:
    """What was compared, and how it came out."""

    certificate: str
    "Digest of the certificate that was checked."
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(each for each in self.checks if not each.holds)

    def check(self) -> None:
        """Nothing if all checks hold.

        Raises:
            VerificationFailed: One does not; the message lists those.
        """
        if self.failed:
            lines = [f"  - {each.name}: {each.detail}" for each in self.failed]
            raise VerificationFailed("\n".join([f"verify: {len(lines)} of {len(self.checks)} checks fail.", *lines]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        checks = [each._asdict() for each in self.checks]
        return {"certificate": self.certificate, "verified": not self.failed, "checks": checks}

    def summary(self) -> str:
        """A line for each check."""
        return "\n".join(f"{'ok  ' if each.holds else 'FAIL'}  {each.name}: {each.detail}" for each in self.checks)


def verify_server(run: ServerRun) -> Verification:
    """Compute a SharedEASE model again from the share set in the server's hands and hold it against its certificate.

    Args:
        run: With a certificate. Nothing of any device is needed.

    Raises:
        BadOption: The run is of another algorithm, or has no certificate.
    """
    algorithm, certificate, chosen = run.algorithm, run.certificate, run.state.chosen
    if not isinstance(algorithm, SharedEASE) or certificate is None or not isinstance(chosen, EaseChoice):
        raise BadOption(
            f"verify: got a run of '{algorithm.name}' {'without' if certificate is None else 'with'} a certificate, "
            "expected a finished shared-ease run. Other models cannot be computed again to the bit: audit them."
        )
    return Verification(certificate.digest, tuple(_checks(run, algorithm, certificate, chosen)))


def _checks(run: ServerRun, algorithm: SharedEASE, certificate: Certificate, chosen: EaseChoice) -> Iterator[Check]:
    held = Solution.of(run.state, run.view.n_items)
    yield _same("share set", "the server's", run.share_set, certificate.share_set)
    yield _same("catalogue", "the run's items", catalogue_digest(run.catalogue.ids), certificate.catalogue)
    as_certified = chosen.to_dict() == dict(certificate.options)
    yield Check("options", as_certified, "as certified" if as_certified else f"{chosen.to_dict()} in the run")
    again = algorithm.solve(run.view, _certified(certificate), held.contributed)
    yield _same("gram", "counted again from the share set", digest(again.counts), certificate.gram)
    yield _same("gram in the run", "kept for unlearning", digest(held.counts), certificate.gram)
    if held.contributed is not None or certificate.contributed is not None:
        found = digest(held.contributed) if held.contributed is not None else "nothing"
        yield _same("contributions", "as collected, which nobody can repeat", found, certificate.contributed or "none")
    yield _same("weights", "as published", digest(held.weights), certificate.weights)
    yield _recomputed(held, again, certificate)
    kept = len(run.history.snapshots)
    yield Check("snapshots", kept == 0, "none kept" if kept == 0 else f"{kept} kept")


def _certified(certificate: Certificate) -> EaseChoice:
    """The options that a certificate names.

    Raises:
        BadOption: They are not those of this algorithm.
    """
    try:
        given = dict(certificate.options)
        return EaseChoice(given.pop("reg"), given.pop("popularity_penalty"), int(given.pop("neighbours")), **given)
    except (KeyError, TypeError, ValueError) as error:
        raise BadOption(f"verify: the certificate's options cannot be read ({error}). It is no certificate.") from None


def _recomputed(held: Solution, again: Solution, certificate: Certificate) -> Check:
    name = "weights computed again"
    if certificate.how == "factorised" and certificate.numerics == numerics():
        return _same(name, "byte for byte", digest(again.weights), digest(held.weights))
    why = f"after {certificate.updates} updates" if certificate.how == "updated" else f"made by {certificate.numerics}"
    largest, cut = _difference(held.weights, again.weights)
    detail = f"{why}: largest difference {largest:.1e}, allowed {_TOLERANCE:.0e}" + (
        f"; {cut} weights on the edge of being kept" if cut else ""
    )
    return Check(name, largest <= _TOLERANCE, detail)


def _difference(held: sparse.csr_matrix, again: sparse.csr_matrix) -> tuple[float, int]:
    """Largest difference of two sets of weights, and how many are in one alone for being as large as the last kept.

    A weight that ties with the smallest kept one of its column, to rounding, may be in one set and not in the other.
    """
    (keys, sizes), (other_keys, other_sizes) = _entries(held), _entries(again)
    _, mine, theirs = np.intersect1d(keys, other_keys, assume_unique=True, return_indices=True)
    largest = float(np.abs(sizes[mine] - other_sizes[theirs]).max(initial=0.0))
    n, smallest, excused = again.indptr.size - 1, _smallest(again), 0
    for all_keys, all_sizes, shared in ((keys, sizes, mine), (other_keys, other_sizes, theirs)):
        alone = np.ones(len(all_keys), dtype=bool)
        alone[shared] = False
        size, last = np.abs(all_sizes[alone]), smallest[all_keys[alone] % n]
        on_edge = np.abs(size - last) <= _TOLERANCE
        excused += int(on_edge.sum())
        largest = max(largest, float(size[~on_edge].max(initial=0.0)))
    return largest, excused


def _entries(weights: sparse.csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """A number for the place of each weight, ascending, and the weights."""
    n = weights.indptr.size - 1
    rows = np.repeat(np.arange(n, dtype=np.int64), np.diff(weights.indptr))
    return np.asarray(rows * n + weights.indices, dtype=np.int64), np.asarray(weights.data, dtype=np.float32)


def _smallest(weights: sparse.csr_matrix) -> NDArray[np.float32]:
    """The smallest size in each column; infinity where there is none."""
    by_column = abs(weights).tocsc()
    smallest = np.full(by_column.indptr.size - 1, np.inf, dtype=np.float32)
    full = np.flatnonzero(np.diff(by_column.indptr))
    if len(full):
        smallest[full] = np.minimum.reduceat(by_column.data, by_column.indptr[full])
    return smallest


def _same(name: str, what: str, found: str, expected: str) -> Check:
    if found == expected:
        return Check(name, True, f"{what}: {found[:12]}")
    return Check(name, False, f"{what}: {found[:12]}, certified {expected[:12]}")
