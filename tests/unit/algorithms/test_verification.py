"""Verification computes a run again; whatever was altered shows, each in its own check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.algorithms.shared_ease.solution import EaseChoice, Solution
from fedshare.errors import BadOption, DamagedRun, VerificationFailed
from fedshare.models.gram import digest
from fedshare.simulation.run import Run
from fedshare.simulation.verify import verify
from fedshare.storage.server_folder import load_server
from fedshare.testing.synthetic import small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.training import certificate as certificates
from fedshare.training.algorithm import ServerState
from fedshare.training.certificate import Certificate

FIXED = SharedEASE(regs=(4.0,), popularity_penalties=(0.2,), neighbours=(7,))


@pytest.fixture(scope="module")
def run() -> Run:
    return train(FIXED, small_ledger())


def with_state(run: Run, state: ServerState) -> Run:
    return replace(run, server=replace(run.server, state=state))


def with_array(run: Run, place: str, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    state = run.server.state
    arrays = dict(getattr(state, place))
    arrays[name] = change(arrays[name].clone())
    return with_state(run, replace(state, **{place: arrays}))


def with_certificate(run: Run, **changed: object) -> Run:
    assert run.certificate is not None
    certificate = replace(run.certificate, **changed)  # type: ignore[arg-type]
    return replace(run, server=replace(run.server, certificate=certificate))


def failed(run: Run) -> set[str]:
    return {each.name for each in verify(run).failed}


def plus_one(values: torch.Tensor) -> torch.Tensor:
    values[0] += 1
    return values


def test_a_trained_run_holds(run: Run):
    found = verify(run)
    found.check()
    assert found.to_dict()["verified"] is True
    assert len(found.checks) == 9
    assert found.checks[0].name == "people's choices"
    assert len(verify(run.server).checks) == 8
    assert all(line.startswith("ok") for line in found.summary().splitlines())


def test_the_server_alone_is_enough(run: Run):
    found = verify(run.server)
    found.check()
    assert found.checks == verify(run).checks[1:]
    assert run.certificate is not None
    assert found.certificate == run.certificate.digest


def test_it_holds_after_the_disk(run: Run, tmp_path: Path):
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert back.certificate == run.certificate
    verify(back).check()
    verify(load_server(tmp_path / "run" / "server")).check()


def test_altered_weights_show(run: Run):
    assert failed(with_array(run, "arrays", "weights.values", plus_one)) == {"weights", "weights computed again"}


def test_altered_counts_show(run: Run):
    assert failed(with_array(run, "kept", "gram.values", plus_one)) == {"gram in the run"}


def test_weights_of_another_regulariser_show(run: Run):
    """Everything in the run agrees with everything else; only computing it again finds out."""
    other = train(replace(FIXED, regs=(4.001,)), run.ledger)
    assert run.chosen is not None
    forged = with_certificate(other, options=run.chosen.to_dict())
    forged = with_state(forged, replace(forged.server.state, chosen=run.chosen))
    assert failed(forged) == {"weights computed again"}


def test_options_that_are_not_those_of_the_certificate_show(run: Run):
    other = with_state(run, replace(run.server.state, chosen=EaseChoice(4.5, 0.2, 7)))
    assert failed(other) == {"options"}


def test_a_certificate_whose_options_are_none(run: Run):
    for options in ({}, {"reg": 4.0}, {"reg": 4.0, "popularity_penalty": 0.2, "neighbours": 7, "ridge": 1.0}):
        with pytest.raises(BadOption, match="options cannot be read"):
            verify(with_certificate(run, options=options))


def test_a_pair_that_is_still_in_the_weights_shows(run: Run):
    """The ledger says that somebody withdrew; the model was left as it was."""
    after = run.ledger.unshare("u03", everything=True)[0]
    withdrawn = replace(run.devices, ledger=after)
    stale = replace(run, server=run.server.on(after.server_view()), devices=withdrawn)
    assert failed(stale) == {"share set", "gram", "weights computed again"}
    relabelled = with_certificate(stale, share_set=after.version)
    assert failed(relabelled) == {"gram", "weights computed again"}
    assert failed(replace(run, devices=withdrawn)) == {"people's choices"}  # the server has heard nothing of it


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
    weights = digest(Solution.of(forged.server.state, 30).weights)
    lax = with_certificate(forged, weights=weights, how="updated", updates=1, tolerance=10.0)
    assert failed(lax) == {"weights computed again"}


def test_a_weight_on_the_edge_of_being_kept_is_no_difference(run: Run):
    """Another machine may keep another one of two weights that tie to rounding; a weight inside may not go."""
    elsewhere = with_certificate(run, numerics="scipy 0.1, abacus")
    weights = Solution.of(run.server.state, 30).weights.tocsc()
    column = int(np.flatnonzero(np.diff(weights.indptr) > 3)[0])
    own = slice(weights.indptr[column], weights.indptr[column + 1])
    by_size = np.argsort(np.abs(weights.data[own]))
    for place, holds in ((by_size[0], True), (by_size[-1], False)):
        cut = weights.copy()
        cut.data[own.start + place] = 0
        cut.eliminate_zeros()
        solution = replace(Solution.of(run.server.state, 30), weights=cut.tocsr())
        assert isinstance(run.chosen, EaseChoice)
        forged = with_state(elsewhere, solution.server_state(run.chosen))
        assert ("weights computed again" not in failed(forged)) == holds


def test_contributions_are_held_to_their_digest():
    run = train(replace(FIXED, private_contributions=True), small_ledger())
    verify(run).check()
    assert "contributions" in failed(with_array(run, "kept", "contributed.values", plus_one))


def test_a_run_without_a_certificate_cannot_be_verified(run: Run, small_run: Run):
    with pytest.raises(BadOption, match="'fedshare' without a certificate"):
        verify(small_run)
    with pytest.raises(BadOption, match="'shared-ease' without a certificate"):
        verify(replace(run, server=replace(run.server, certificate=None)))


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
