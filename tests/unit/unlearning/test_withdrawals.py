"""What becomes of the people in a request, and of everybody else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedshare.algorithms.fedmf import FedMF
from fedshare.algorithms.fedshare.item_item import ItemItem, ItemItemChoice
from fedshare.errors import BadOption, CohortTooSmall, RequestMismatch
from fedshare.evaluation.audit import audit
from fedshare.models.table import Table
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.simulation.population import Population
from fedshare.simulation.run import Run
from fedshare.simulation.unlearn import unlearn
from fedshare.simulation.validation import HeldOut
from fedshare.testing.synthetic import run_bytes, same_run, small_fedshare, small_ledger
from fedshare.testing.synthetic import train_small as train
from fedshare.training.history import Snapshots
from fedshare.unlearning.contrastive import ContrastiveUnlearning, _OnServer
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.fine_tune import FineTune
from fedshare.unlearning.retrain import Retrain
from fedshare.unlearning.unlearner import Unlearner
from fedshare.unlearning.withdrawal import Withdrawal

METHOD = ContrastiveUnlearning(steps=5, erase_rounds=1)


def users_of(run: Run) -> torch.Tensor:
    return run.server.state.tables["users"].values


def items_of(run: Run) -> torch.Tensor:
    return run.server.state.tables["items"].values


def private_of(run: Run) -> torch.Tensor:
    return run.devices.private["vector.values"]


def untrained_users(run: Run) -> Table:
    return run.algorithm.start(run.server.side()).tables["users"]


def tables_and_devices(run: Run) -> dict[str, bytes]:
    """What was learned: everything but snapshots, the share set and what is published on it."""
    kept = {name: each for name, each in run_bytes(run).items() if name.startswith(("server", "devices.private"))}
    assert {"server.tables.items.values", "server.tables.users.values", "devices.private.vector.values"} <= set(kept)
    return kept | {"chosen": run_bytes(run)["chosen"]}


def others(run: Run, *users: str) -> torch.Tensor:
    mask = torch.ones(run.known.n_users, dtype=torch.bool)
    mask[[run.known.users.index(user) for user in users]] = False
    return mask


def leave(ledger: Ledger, *users: str) -> Request:
    """Everything that these people share, in one request."""
    request = Request(ledger, ledger)
    for user in users:
        ledger, more = ledger.unshare(user, everything=True)
        request = request + more
    return request


@pytest.mark.parametrize("n_leaving", [1, 3, 14])
def test_who_withdraws_everything_gets_exactly_the_untrained_row(small_run: Run, n_leaving: int):
    users = small_run.ledger.sharers()[:n_leaving]
    after = unlearn(small_run, leave(small_run.ledger, *users), method=METHOD)
    rows = [small_run.known.users.index(user) for user in users]
    untrained = untrained_users(small_run)
    table = after.server.state.tables["users"]
    for mine, fresh in zip(table._parts(), untrained._parts(), strict=True):
        assert torch.equal(mine[rows], fresh[rows])
    assert not torch.equal(users_of(small_run)[rows], untrained.values[rows])


def test_together_with_people_who_stay_it_is_the_same(small_run: Run):
    leaving, staying = small_run.ledger.sharers()[:2]
    request = leave(small_run.ledger, leaving)
    ledger, more = request.after.unshare(staying, to=0.2)
    after = unlearn(small_run, request + more, method=METHOD)
    untrained = untrained_users(small_run).values
    gone, kept = (small_run.known.users.index(user) for user in (leaving, staying))
    assert torch.equal(users_of(after)[gone], untrained[gone])
    assert not torch.equal(users_of(after)[kept], untrained[kept])
    assert not torch.equal(users_of(after)[kept], users_of(small_run)[kept])
    assert after.ledger == ledger


@pytest.mark.parametrize("n_users", [1, 3])
def test_an_unshare_touches_the_people_of_the_request_alone(small_run: Run, n_users: int):
    ledger, request = small_run.ledger, Request(small_run.ledger, small_run.ledger)
    users = ledger.sharers()[:n_users]
    for user in users:
        ledger, more = ledger.unshare(user, to=ledger.share_of(user) / 2)
        request = request + more
    after = unlearn(small_run, request, method=METHOD)
    mask = others(small_run, *users)
    assert torch.equal(users_of(after)[mask], users_of(small_run)[mask])
    assert torch.equal(private_of(after), private_of(small_run))
    items = torch.ones(small_run.known.n_items, dtype=torch.bool)
    items[np.unique(request.item).tolist()] = False
    assert torch.equal(items_of(after)[items], items_of(small_run)[items])


def test_contrast_moves_items_while_withdrawn_pairs_stand_out():
    """In a run that learned its shared pairs by heart the steps are taken, and the pairs sink."""
    run = train(small_fedshare(server_weight=3.0, item_item=None), small_ledger(), rounds=25, seed=1)
    ledger, request = run.ledger, Request(run.ledger, run.ledger)
    for user in run.ledger.sharers()[:4]:
        ledger, more = ledger.unshare(user, to=ledger.share_of(user) / 2)
        request = request + more
    after = unlearn(run, request, method=ContrastiveUnlearning(steps=40))
    dropped = unlearn(run, request, method=DropOnly())
    means = [
        each.server_scorer().scores(request.user.astype(np.intp))[np.arange(len(request)), request.item].mean()
        for each in (dropped, after)
    ]
    assert means[1] < means[0]


def test_one_request_after_another_leads_to_the_same_share_set_as_one_for_all(small_run: Run):
    first, second, third = small_run.ledger.sharers()[:3]
    requests, run = [], small_run
    for user in (first, second, third):
        request = run.ledger.unshare(user, to=0.2)[1]
        run = unlearn(run, request, method=METHOD)
        requests.append(request)
    at_once = unlearn(small_run, requests[0] + requests[1] + requests[2], method=METHOD)
    assert run.ledger == at_once.ledger
    assert torch.equal(run.server.side().graph.edges.columns, at_once.server.side().graph.edges.columns)
    untouched = others(run, first, second, third)
    assert torch.equal(users_of(run)[untouched], users_of(at_once)[untouched])
    assert {s.version for s in run.server.history.snapshots} == {run.ledger.version}


def test_somebody_may_come_back_and_leave_again(small_run: Run):
    user = small_run.ledger.sharers()[0]
    after = unlearn(small_run, leave(small_run.ledger, user), method=METHOD)
    again = train(after.algorithm, after.ledger.share(user, fraction=0.5), rounds=2, seed=1)
    gone = unlearn(again, leave(again.ledger, user), method=METHOD)
    assert user not in gone.ledger.sharers()


# -- erase ----------------------------------------------------------------------------------------------------------


def erasure(run: Run, what: str) -> tuple[str, Request]:
    user = next(each for each in run.ledger.sharers() if len(run.ledger.private_items(each)) > 1)
    shared, private = run.ledger.shared_items(user)[:2], run.ledger.private_items(user)[:1]
    chosen = {"private": private, "shared": shared, "both": shared + private}[what]
    return user, run.ledger.erase(user, chosen)[1]


@pytest.mark.parametrize("what", ["private", "shared", "both"])
def test_an_erasure_reaches_the_device(small_run: Run, what: str):
    user, request = erasure(small_run, what)
    after = unlearn(small_run, request, method=METHOD)
    index = small_run.known.users.index(user)
    assert not torch.equal(private_of(after)[index], private_of(small_run)[index])
    everything = after.devices.population().histories.select(torch.tensor([index])).columns.tolist()
    assert not set(request.item.tolist()) & set(everything)
    assert everything == after.ledger.device_view(index).items.tolist()
    held = HeldOut.of(after.ledger, replace(ItemItem().holdout, least_pairs=1), after.seed, "cpu")
    assert held.held_out.counts[index] > 0
    for part in (held.training, held.held_out):
        assert not set(request.item.tolist()) & set(part.select(torch.tensor([index])).columns.tolist())
    assert after.ledger.erased_items(user) == sorted(small_run.known.items.ids[i] for i in request.item)


def test_erasing_a_private_pair_leaves_the_share_set(small_run: Run):
    _, request = erasure(small_run, "private")
    after = unlearn(small_run, request, method=METHOD)
    assert request.n_withdrawn_from_server == 0
    assert after.server.share_set == small_run.server.share_set
    assert np.array_equal(after.server.view.keys, small_run.server.view.keys)


def test_erasing_everything_leaves_an_untrained_device():
    run = train(small_fedshare(), small_ledger(), rounds=3, seed=1)
    after = unlearn(run, run.ledger.erase("u04", everything=True)[1], method=METHOD)
    side = run.server.side()
    payload = run.algorithm.publish(run.algorithm.start(side), side)
    fresh = small_fedshare().task().start(run.known.n_users, payload, run.seed)
    for part in ("values", "first", "second"):
        assert torch.equal(after.devices.private[f"vector.{part}"][4], fresh[f"vector.{part}"][4])
    assert torch.equal(users_of(after)[4], untrained_users(run).values[4])
    assert len(after.recommend("u04", k=5)) == 5


def test_without_erase_rounds_other_devices_stay_as_they_are(small_run: Run):
    user, request = erasure(small_run, "both")
    after = unlearn(small_run, request, method=ContrastiveUnlearning(steps=5, erase_rounds=0))
    mask = others(small_run, user)
    assert torch.equal(private_of(after)[mask], private_of(small_run)[mask])


def test_an_erased_run_can_be_audited(small_run: Run):
    user, request = erasure(small_run, "both")
    after, reference = (unlearn(small_run, request, method=each) for each in (METHOD, Retrain()))
    report = audit(small_run, after, reference, request).to_dict()
    assert "forget" in report
    assert after.ledger.erased_items(user) == reference.ledger.erased_items(user)


# -- the reference and the controls ---------------------------------------------------------------------------------


def test_retraining_is_training_on_what_is_left(small_run: Run):
    request = leave(small_run.ledger, *small_run.ledger.sharers()[:2])
    reference = unlearn(small_run, request, method=Retrain())
    chosen = small_run.chosen
    assert same_run(reference, train(small_run.algorithm, request.after, rounds=3, seed=1, chosen=chosen))
    elsewhere = unlearn(small_run, request, method=Retrain(seed=5))
    assert not same_run(reference, elsewhere)
    assert elsewhere.seed == 5


@pytest.mark.parametrize("seed", [None, 5])
def test_retraining_keeps_what_was_chosen_and_asks_nobody_again(
    small_run: Run, monkeypatch: pytest.MonkeyPatch, seed: int | None
):
    chosen = ItemItemChoice(weight=3.0, reg=7.0, popularity_penalty=0.1, neighbours=5)
    state = replace(small_run.server.state, chosen=chosen)
    run = replace(small_run, server=replace(small_run.server, state=state))
    monkeypatch.setattr(Population, "validate", lambda *_: pytest.fail("validation clients were asked"))
    request = leave(run.ledger, run.ledger.sharers()[0])
    assert unlearn(run, request, method=Retrain(seed=seed)).chosen == chosen


def test_retraining_keeps_how_much_is_recorded_and_how_many_stand_behind_an_answer():
    run = train(small_fedshare(), small_ledger(), rounds=4, keep=Snapshots(2), min_cohort=5)
    reference = unlearn(run, leave(run.ledger, run.ledger.sharers()[0]), method=Retrain())
    assert [each.round for each in reference.server.history.snapshots] == [2, 4]
    assert {each.version for each in reference.server.history.snapshots} == {reference.ledger.version}
    assert (reference.min_cohort, reference.devices.min_cohort) == (5, 5)


def test_dropping_edges_leaves_every_table(small_run: Run):
    request = leave(small_run.ledger, small_run.ledger.sharers()[0])
    after = unlearn(small_run, request, method=DropOnly())
    assert tables_and_devices(after) == tables_and_devices(small_run)
    assert after.server.history.snapshots == ()
    assert after.server.side().graph.edges.n_slots < small_run.server.side().graph.edges.n_slots


def test_fine_tuning_goes_on_from_where_the_run_stands(small_run: Run):
    request = small_run.ledger.unshare(small_run.ledger.sharers()[0], to=0.2)[1]
    told: list[tuple[int, int]] = []
    after = unlearn(small_run, request, method=FineTune(rounds=2), progress=lambda n, of, info: told.append((n, of)))
    assert told == [(1, 2), (2, 2)]
    assert after.cost.rounds == 2
    assert after.server.state.round == small_run.server.state.round
    assert not torch.equal(items_of(after), items_of(small_run))


@pytest.mark.parametrize("control", [DropOnly(), FineTune(rounds=1)], ids=lambda method: method.name)
def test_a_control_can_be_followed_by_another_method(small_run: Run, control: Unlearner):
    first, second = small_run.ledger.sharers()[:2]
    run = unlearn(small_run, leave(small_run.ledger, first), method=control)
    after = unlearn(run, run.ledger.unshare(second, to=0.2)[1], method=METHOD)
    assert np.isfinite(after.server_scorer().scores(np.arange(14))).all()


# -- what cannot be done --------------------------------------------------------------------------------------------


def test_contrastive_unlearning_needs_a_fedshare_run():
    ledger = small_ledger()
    run = train(FedMF(embedding_size=4), ledger, rounds=1)
    with pytest.raises(BadOption, match=r"needs a fedshare run, got one of 'fedmf'. Use .*Retrain"):
        unlearn(run, leave(ledger, ledger.sharers()[0]), method=METHOD)


@pytest.mark.parametrize("method", [Retrain(), FineTune(rounds=1)], ids=lambda method: method.name)
def test_devices_refuse_rounds_of_too_few_people(small_run: Run, method: Unlearner):
    strict = replace(small_run, devices=replace(small_run.devices, min_cohort=15))
    with pytest.raises(CohortTooSmall, match="would rest on 14 people, expected 15 or more"):
        unlearn(strict, leave(strict.ledger, strict.ledger.sharers()[0]), method=method)


def test_requests_that_do_not_follow_one_another_do_not_add_up(small_run: Run):
    first, second = (leave(small_run.ledger, user) for user in small_run.ledger.sharers()[:2])
    with pytest.raises(RequestMismatch, match="one after the other"):
        _ = first + second


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (ContrastiveUnlearning, "steps", -1),
        (ContrastiveUnlearning, "fold_in_steps", -1),
        (ContrastiveUnlearning, "erase_rounds", -1),
        (ContrastiveUnlearning, "temperature", 0.0),
        (ContrastiveUnlearning, "learning_rate", -0.5),
        (ContrastiveUnlearning, "strength", -0.5),
        (FineTune, "rounds", 0),
    ],
)
def test_a_bad_option_is_named_with_its_value(kind: type, option: str, value: object):
    with pytest.raises(BadOption, match=f"{option}: got {value}, expected"):
        kind(**{option: value})


@pytest.mark.parametrize("server_weight", [0.1, 0.4])
def test_the_contrast_pushes_as_hard_as_the_withdrawn_part_weighed(small_run: Run, server_weight: float):
    """Slow twin: strength x the server's weight x the withdrawn fraction x the summed weights of the node's pairs."""
    algorithm = small_fedshare(server_weight=server_weight)
    ledger, request = small_run.ledger, Request(small_run.ledger, small_run.ledger)
    for user in ledger.sharers()[:2]:
        ledger, more = ledger.unshare(user, to=ledger.share_of(user) / 2)
        request = request + more
    view, gone = small_run.server.view, set(zip(request.user.tolist(), request.item.tolist(), strict=True))
    work = _OnServer(
        ContrastiveUnlearning(strength=0.3),
        algorithm,
        small_run.server,
        Withdrawal.of(view, request.user, request.item),
    )
    pairs = list(zip(view.user.tolist(), view.item.tolist(), strict=True))
    weights = dict(zip(pairs, algorithm.server_objective.pair_weights(work.before.graph).tolist(), strict=True))
    of_users, of_items = work._strengths(work._withdrawn_edges())
    for side, found in ((0, of_users), (1, of_items)):
        for node in range(len(found)):
            mine = [pair for pair in pairs if pair[side] == node]
            part = len([pair for pair in mine if pair in gone]) / max(len(mine), 1)
            expected = 0.3 * server_weight * part * sum(weights[pair] for pair in mine)
            assert float(found[node]) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_only_who_erases_fits_again(small_run: Run):
    first, second = small_run.ledger.sharers()[:2]
    ledger, unshared = small_run.ledger.unshare(first, to=0.2)
    _, erased = ledger.erase(second, ledger.private_items(second)[:1])
    after = unlearn(small_run, unshared + erased, method=ContrastiveUnlearning(steps=3, erase_rounds=0))
    changed = (private_of(after) != private_of(small_run)).any(1).nonzero().squeeze(1).tolist()
    assert changed == [small_run.known.users.index(second)]
