"""Verification computes a run again; whatever was altered shows, each in its own check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.errors import BadOption, DamagedRun, VerificationFailed
from fedshare.learning import certificate as certificates
from fedshare.learning import verification
from fedshare.training.certificate import Certificate
from fedshare.simulation.run import Run
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.testing.synthetic import train_small as train
from fedshare.simulation.verify import verify
from fedshare.models.gram import digest
from fedshare.testing.synthetic import small_ledger

FIXED = SharedEASE(regs=(4.0,), popularity_penalties=(0.2,), neighbours=(7,))


@pytest.fixture(scope="module")
def run() -> Run:
    return train(FIXED, small_ledger())


def with_array(run: Run, place: str, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    server = run.server.state
    arrays = dict(getattr(server, place))
    arrays[name] = change(arrays[name].clone())
    return replace(run, state=replace(run.state, server=replace(server, **{place: arrays})))


def with_certificate(run: Run, **changed: object) -> Run:
    assert run.certificate is not None
    return replace(run, certificate=replace(run.certificate, **changed))  # type: ignore[arg-type]


def failed(run: Run) -> set[str]:
    return {each.name for each in verify(run).failed}


def plus_one(values: torch.Tensor) -> torch.Tensor:
    values[0] += 1
    return values


def test_a_trained_run_holds(run: Run):
    found = verify(run)
    found.check()
    assert found.to_dict()["verified"] is True
    assert len(found.checks) == 8
    assert all(line.startswith("ok") for line in found.summary().splitlines())


def test_it_holds_after_the_disk(run: Run, tmp_path):
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert back.certificate == run.certificate
    verify(back).check()


def test_altered_weights_show(run: Run):
    assert failed(with_array(run, "arrays", "weights.values", plus_one)) == {"weights", "weights computed again"}


def test_altered_counts_show(run: Run):
    assert failed(with_array(run, "kept", "gram.values", plus_one)) == {"gram in the run"}


def test_weights_of_another_ridge_show(run: Run):
    """Everything in the run agrees with everything else; only computing it again finds out."""
    other = train(replace(FIXED, regs=(4.001,)), run.ledger)
    assert other.certificate is not None
    forged = replace(other, certificate=replace(other.certificate, options=run.chosen))
    server = replace(other.server.state, numbers=run.chosen)
    forged = replace(forged, state=replace(other.state, server=server))
    assert failed(forged) == {"weights computed again"}


def test_a_pair_that_is_still_in_the_weights_shows(run: Run):
    """The ledger says that somebody withdrew; the model was left as it was."""
    after = run.ledger.unshare("u03", everything=True)[0]
    stale = replace(run.on(after), certificate=run.certificate)
    assert failed(stale) == {"share set", "gram", "weights computed again"}
    relabelled = with_certificate(stale, share_set=after.version)
    assert failed(relabelled) == {"gram", "weights computed again"}


@pytest.mark.parametrize("name", ["share_set", "catalogue", "gram", "weights"])
def test_an_altered_certificate_shows(run: Run, name: str):
    altered = with_certificate(run, **{name: "0" * 64})
    with pytest.raises(VerificationFailed, match="certified 000000000000"):
        verify(altered).check()


def test_weights_by_other_numerics_are_compared_number_by_number(run: Run):
    elsewhere = with_certificate(run, numerics="scipy 0.1, abacus")
    found = verify(elsewhere)
    found.check()
    assert "made by scipy 0.1, abacus" in found.checks[-2].detail
    nudged = with_array(elsewhere, "arrays", "weights.values", lambda values: values * (1 + 1e-3))
    assert "weights computed again" in failed(nudged)


def test_a_certificate_cannot_widen_what_is_accepted(run: Run):
    """Whoever forges weights may call them updated, with any tolerance: the verifier has its own."""
    forged = with_array(run, "arrays", "weights.values", plus_one)
    weights = digest(verification.Solution.of(forged.server.state, 30).weights)
    lax = with_certificate(forged, weights=weights, how="updated", updates=1, tolerance=10.0)
    assert failed(lax) == {"weights computed again"}


def test_a_weight_on_the_edge_of_being_kept_is_no_difference(run: Run):
    """Another machine may keep another one of two weights that tie to rounding; a weight inside may not go."""
    elsewhere = with_certificate(run, numerics="scipy 0.1, abacus")
    weights = verification.Solution.of(run.server.state, 30).weights.tocsc()
    column = int(np.flatnonzero(np.diff(weights.indptr) > 3)[0])
    own = slice(weights.indptr[column], weights.indptr[column + 1])
    by_size = np.argsort(np.abs(weights.data[own]))
    for place, holds in ((by_size[0], True), (by_size[-1], False)):
        cut = weights.copy()
        cut.data[own.start + place] = 0
        cut.eliminate_zeros()
        solution = replace(verification.Solution.of(run.server.state, 30), weights=cut.tocsr())
        state = replace(run.state, server=solution.server_state(run.chosen))
        assert ("weights computed again" not in failed(replace(elsewhere, state=state))) == holds


def test_contributions_are_held_to_their_digest():
    run = train(replace(FIXED, private_contributions=True), small_ledger())
    verify(run).check()
    assert "contributions" in failed(with_array(run, "kept", "contributed.values", plus_one))


def test_a_run_without_a_certificate_cannot_be_verified(run: Run, small_run: Run):
    with pytest.raises(BadOption, match="'fedshare' without a certificate"):
        verify(small_run)
    with pytest.raises(BadOption, match="'shared-ease' without a certificate"):
        verify(replace(run, certificate=None))


def test_a_damaged_certificate_is_named(run: Run):
    assert run.certificate is not None
    values = run.certificate.to_dict()
    for broken in (
        {**values, "how": "guessed"},
        {**values, "extra": 1},
        {k: v for k, v in values.items() if k != "gram"},
    ):
        with pytest.raises(DamagedRun, match="certificate"):
            Certificate.from_dict(broken)


def test_numerics_name_library_version_and_processor():
    assert certificates.numerics().startswith("scipy ")
    assert "openblas" in certificates.numerics()


def test_the_order_in_which_libraries_are_listed_decides_no_name(monkeypatch: pytest.MonkeyPatch):
    """NumPy's library is called scipy_openblas as well: it must not be taken for SciPy's."""
    listed = certificates.threadpool_info()
    names = set()
    for order in (listed, listed[::-1]):
        monkeypatch.setattr(certificates, "threadpool_info", lambda order=order: order)
        names.add(certificates.numerics.__wrapped__())
    assert len(names) == 1
