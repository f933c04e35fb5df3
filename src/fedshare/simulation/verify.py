"""Verification as people call it: of a whole run, or of a server's part alone."""

from __future__ import annotations

from dataclasses import replace

from fedshare.algorithms.shared_ease.verification import Check, Verification, verify_server
from fedshare.simulation.run import Run
from fedshare.training.server_run import ServerRun

__all__ = ["verify"]


def verify(run: Run | ServerRun) -> Verification:
    """Compute a SharedEASE model again from its share set and hold it against its certificate.

    Args:
        run: A run, or what the server has of one, which is enough. Of a whole run it is checked as well that what its
            people share is the share set that the server has.

    Raises:
        BadOption: The run is of another algorithm, or has no certificate.
    """
    if isinstance(run, ServerRun):
        return verify_server(run)
    found = verify_server(run.server)
    theirs, ours = run.ledger.version, run.server.share_set
    agree = Check("people's choices", theirs == ours, f"the ledger's {theirs[:12]}, the server's {ours[:12]}")
    return replace(found, checks=(agree, *found.checks))
