"""SharedEASE: what it computes, what it chooses, what it must not depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.algorithms.shared_ease import algorithm as shared_ease
from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.algorithms.shared_ease.solution import EaseChoice, Solution
from fedshare.data.synthetic import two_taste_world
from fedshare.errors import BadOption, TooSmall
from fedshare.federation.messages import MaskedContribution, weights_bytes
from fedshare.sharing.ledger import Ledger, share
from fedshare.sharing.policy import ShareEverything, ShareFraction
from fedshare.simulation import contributions
from fedshare.testing.synthetic import run_bytes, server_bytes, small_ledger, swap_private_pair
from fedshare.testing.synthetic import train_small as train
from fedshare.training.certificate import Certificate

FIXED = SharedEASE(regs=(4.0,), popularity_penalties=(0.2,), neighbours=(7,))


def dense_rows(ledger: Ledger, *, shared_only: bool) -> np.ndarray:
    rows = np.zeros((ledger.known.n_users, ledger.known.n_items))
    for index, user in enumerate(ledger.known.users.ids):
        items = ledger.shared_items(user) + ([] if shared_only else ledger.private_items(user))
        rows[index, ledger.known.items.indices(items)] = 1
    return rows


def naive_weights(shared: np.ndarray, reg: float, popularity_penalty: float, neighbours: int) -> np.ndarray:
    inverse = np.linalg.inv(shared.T @ shared + reg * np.eye(shared.shape[1]))
    weights = -inverse / np.diag(inverse) / (shared.sum(0) + 10) ** popularity_penalty
    np.fill_diagonal(weights, 0)
    for column in weights.T:
        column[np.abs(column) < np.sort(np.abs(column))[-neighbours]] = 0
    return weights


def test_scores_are_the_definition():
    ledger = small_ledger()
    run = train(FIXED, ledger)
    weights = naive_weights(dense_rows(ledger, shared_only=True), 4.0, 0.2, 7)
    people = np.arange(ledger.known.n_users)
    for scorer, shared_only in ((run.device_scorer(), False), (run.server_scorer(), True)):
        expected = dense_rows(ledger, shared_only=shared_only) @ weights
        np.testing.assert_allclose(scorer.scores(people), expected, atol=1e-6)


def test_with_contributions_the_counts_are_those_of_everything():
    ledger = small_ledger(0.3)
    algorithm = replace(FIXED, private_contributions=True)
    run, everything = train(algorithm, ledger), train(FIXED, share(ledger.known, ShareEverything()))
    people = np.arange(ledger.known.n_users)
    assert np.array_equal(run.device_scorer().scores(people), everything.device_scorer().scores(people))
    n_pairs = ledger.known.n_items * (ledger.known.n_items + 1) // 2
    assert run.cost.bytes_up_per_client == 2 * n_pairs
    assert everything.cost.bytes_up_per_client == 0


def test_contributions_of_nobody_are_seen_alone(monkeypatch: pytest.MonkeyPatch):
    """All that leaves a device is its masked upload, and no upload is what the device knows."""
    seen: list[MaskedContribution] = []
    original = contributions.masked

    def listening(*args, **options):
        seen.append(original(*args, **options))
        return seen[-1]

    monkeypatch.setattr(contributions, "masked", listening)
    ledger = small_ledger(0.3)
    contributions.collect(ledger, 1)
    assert len(seen) == ledger.known.n_users
    for upload in seen:
        assert np.count_nonzero(upload.values <= 1) < 5  # of 465; the numbers themselves are all 0 or 1


def test_two_people_cannot_contribute_in_secret():
    ledger = small_ledger(n_users=2)
    with pytest.raises(TooSmall, match="got 2 devices"):
        train(replace(FIXED, private_contributions=True), ledger)


def test_a_private_pair_changes_no_byte_on_the_server():
    for user in ("u00", "u05", "u11"):
        ledger = small_ledger()
        here, there = train(FIXED, ledger), train(FIXED, swap_private_pair(ledger, user))
        assert server_bytes(here) == server_bytes(there)


def test_a_device_downloads_the_weights_and_uploads_nothing():
    run = train(FIXED, small_ledger())
    n_weights = Solution.of(run.server.state, 30).weights.nnz
    assert run.cost.bytes_down_per_client == weights_bytes(n_weights, 30) + 4 * 30  # and how many share each item
    assert run.cost.bytes_up_per_client == 0


def test_validation_clients_download_what_they_rank():
    ledger = small_ledger(1.0)
    choosing, fixed = train(SharedEASE(), ledger), train(FIXED, ledger)
    assert choosing.cost.bytes_down_per_client > fixed.cost.bytes_down_per_client


def test_validation_clients_find_what_fits():
    """In a world of two tastes any sensible regulariser is better than one that drowns the counts."""
    known = two_taste_world(40, 20, liked_share=0.8, seed=1)
    algorithm = SharedEASE(regs=(1.0, 1e9), popularity_penalties=(0.0,), neighbours=(20,))
    run = train(algorithm, share(known, ShareFraction(0.7)))
    assert isinstance(run.chosen, EaseChoice)
    assert run.chosen.reg == 1.0


def test_what_is_chosen_is_a_candidate_and_comes_with_the_middle_where_nobody_shares():
    options = {"regs": (1.0, 2.0, 3.0), "popularity_penalties": (0.0, 0.5), "neighbours": (3, 9)}
    found = train(SharedEASE(**options), small_ledger()).chosen
    assert isinstance(found, EaseChoice)
    assert found.reg in options["regs"]
    assert found.popularity_penalty in options["popularity_penalties"]
    assert found.neighbours in options["neighbours"]
    alone = train(SharedEASE(**options), Ledger(small_ledger().known)).chosen
    assert alone == EaseChoice(2.0, 0.5, 9)


def test_a_large_catalogue_is_ranked_on_its_most_shared_items():
    ledger = small_ledger(1.0)
    algorithm = SharedEASE(selection_items=8)
    run = train(algorithm, ledger)
    assert isinstance(run.chosen, EaseChoice)
    assert run.chosen.reg in algorithm.regs
    assert Solution.of(run.server.state, 30).weights.indptr.size == 31


def test_what_was_chosen_before_is_not_chosen_again():
    chosen = EaseChoice(7.0, 0.0, 4)
    assert train(SharedEASE(), small_ledger(), chosen=chosen).chosen == chosen


def test_a_large_catalogue_keeps_no_inverse():
    small = train(replace(FIXED, inverse_items=29), small_ledger())
    assert "inverse" not in small.server.state.kept
    full = train(FIXED, small_ledger())
    assert full.cost.kept_bytes_server == full.kept_bytes == small.kept_bytes + 8 * 30**2


@pytest.mark.parametrize("there", [46_341, 46_000])
def test_a_catalogue_that_does_not_fit_is_refused_before_the_work(there: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shared_ease.os, "sysconf", lambda name: 1024)  # a machine of one MiB
    with pytest.raises(BadOption, match=f"a catalogue of {there} items"):
        shared_ease._check_size(there)


def test_nothing_shared_scores_nothing():
    run = train(SharedEASE(), Ledger(small_ledger().known))
    assert not run.device_scorer().scores(np.arange(14)).any()


def test_the_certificate_names_what_the_run_was_made_from():
    ledger = small_ledger()
    run, again = train(FIXED, ledger), train(FIXED, ledger)
    assert run.certificate is not None
    assert again.certificate is not None
    assert run.certificate.share_set == ledger.version
    assert run.chosen is not None
    assert run.certificate.options == run.chosen.to_dict()
    assert (run.certificate.how, run.certificate.updates, run.certificate.previous) == ("factorised", 0, None)
    same = {"gram", "weights", "catalogue", "share_set", "options", "numerics"}
    mine, other = run.certificate.to_dict(), again.certificate.to_dict()
    assert {name: mine[name] for name in same} == {name: other[name] for name in same}
    assert run.certificate.digest != again.certificate.digest, "a salt makes each one unguessable"
    assert Certificate.from_dict(mine) == run.certificate


def test_state_is_on_the_cpu_and_whole():
    run = train(FIXED, small_ledger())
    assert set(run.server.state.arrays) == {"weights.offsets", "weights.items", "weights.values"}
    assert set(run.server.state.kept) == {"gram.offsets", "gram.items", "gram.values", "inverse"}
    assert run.server.state.kept["gram.values"].dtype == torch.int32
    assert not run.devices.private
    assert len(run_bytes(run)) == 13  # 4 published arrays too, what was chosen, what is shared
    assert {name.split(".")[0] for name in run_bytes(run)} == {"server", "published", "chosen", "shared"}


def test_masks_are_never_used_twice(monkeypatch: pytest.MonkeyPatch):
    """Had a device used its masks again, the difference of its two uploads would be what has changed, bare."""
    seen: list[MaskedContribution] = []
    original = contributions.masked

    def listening(*args, **options):
        seen.append(original(*args, **options))
        return seen[-1]

    monkeypatch.setattr(contributions, "masked", listening)
    ledger = small_ledger(0.3)
    later = ledger.share("u00", ledger.private_items("u00")[:1])
    for each in (ledger, later):
        contributions.collect(each, 1)
    n = ledger.known.n_users
    for before, after in zip(seen[:n], seen[n:], strict=True):
        assert np.count_nonzero(before.values != after.values) > 0.9 * len(before.values)
