"""A person's device in one encrypted file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.data.synthetic import two_taste_world
from fedshare.errors import BadData, BadOption, RequestMismatch, UnknownUser
from fedshare.sharing.ledger import share
from fedshare.sharing.policy import ShareFraction
from fedshare.sharing.rules import NeverGifts
from fedshare.simulation.device_export import export_device, import_device
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.run import Run
from fedshare.simulation.sealed_file import opened, sealed
from fedshare.simulation.train import train

PASSPHRASE, WORK, VECTOR = "correct horse battery", 14, "vector.values"


@pytest.fixture(scope="module")
def run() -> Run:
    ledger = share(two_taste_world(12, 10, liked_share=0.7), ShareFraction(0.5), seed=1)
    algorithm = FedShare(embedding_size=4, pseudo_items=3, item_item=None)
    return train(algorithm, ledger, rounds=2, seed=1, min_cohort=2)


@pytest.fixture
def devices(run: Run) -> DeviceRun:
    ledger = run.ledger.set_rule("u03", NeverGifts(), reason="they are gifts")
    item = ledger.private_items("u03")[0]
    return replace(run.devices, ledger=ledger.erase("u03", [item])[0].purged())


def exported(devices: DeviceRun, user: str = "u03") -> bytes:
    return export_device(devices, user, PASSPHRASE, work=WORK)


def test_a_device_comes_back_as_it_was(devices: DeviceRun) -> None:
    content = exported(devices)
    vector = devices.private[VECTOR]
    lost = vector.clone()
    lost[3] = 0
    after = import_device(replace(devices, private={**devices.private, VECTOR: lost}), content, PASSPHRASE)
    assert torch.equal(after.private[VECTOR], vector)
    assert after.ledger is devices.ledger
    assert devices.private[VECTOR] is vector


def test_what_happened_since_comes_along(devices: DeviceRun) -> None:
    private = devices.ledger.private_items("u03")
    bought = devices.ledger.known.items.ids_at(devices.ledger.device_ledger("u03").items)
    new = next(
        item for item in devices.ledger.ids[1] if item not in bought and not devices.ledger.has_forgotten("u03", item)
    )
    later = devices.ledger.share("u03", private[:1], now=5, reason="why not")
    later = later.observe([("u03", private[0], 2_000_000_000)]).observe([("u03", new, 9)], now=9)
    later = later.lift_rule("u03", NeverGifts())
    content = exported(replace(devices, ledger=later))
    after = import_device(devices, content, PASSPHRASE).ledger
    assert after.extends(devices.ledger)
    assert after.events_of("u03") == later.events_of("u03")
    assert [each.reason for each in after.events_of("u03")] == [each.reason for each in later.events_of("u03")]
    mine, theirs = after.device_ledger("u03"), later.device_ledger("u03")
    for name in ("items", "state", "held_back", "timestamp"):
        assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    assert after.choices_of("u03") == later.choices_of("u03")


def test_an_older_export_never_overwrites(devices: DeviceRun) -> None:
    content = exported(devices)
    newer = replace(devices, ledger=devices.ledger.share("u03", fraction=1.0))
    with pytest.raises(RequestMismatch, match="newer"):
        import_device(newer, content, PASSPHRASE)
    twin = exported(replace(devices, ledger=devices.ledger.share("u03", fraction=1.0)))  # alike, and not the same
    with pytest.raises(RequestMismatch, match="another history"):
        import_device(newer, twin, PASSPHRASE)
    elsewhere = exported(replace(devices, ledger=devices.ledger.unshare("u03", everything=True)[0]))
    with pytest.raises(RequestMismatch, match="another history"):
        import_device(newer, elsewhere, PASSPHRASE)


def test_somebody_new_joins(devices: DeviceRun) -> None:
    ledger = devices.ledger
    others = ledger.known.select(ledger.known.user != ledger.known.users.index("u11"))
    without = train(
        FedShare(embedding_size=4, pseudo_items=3, item_item=None),
        share(replace(others, users=others.users.first(11)), ShareFraction(0.5), seed=1),
        rounds=2,
        seed=1,
        min_cohort=2,
    ).devices
    content = exported(devices, "u11")
    after = import_device(without, content, PASSPHRASE)
    assert after.ledger.shared_items("u11") == ledger.shared_items("u11")
    assert after.ledger.private_items("u11") == ledger.private_items("u11")
    assert after.ledger.choices_of("u11") == ledger.choices_of("u11")
    assert after.private[VECTOR].shape[0] == 12
    assert not torch.equal(after.private[VECTOR][11], devices.private[VECTOR][11])  # of another model
    assert len(after.recommend("u11", 3)) == 3
    assert import_device(after, content, PASSPHRASE).ledger is after.ledger


def test_what_was_purged_is_known_again(devices: DeviceRun, run: Run) -> None:
    (mine,) = devices.ledger.forgotten.values()
    without = replace(devices, ledger=devices.ledger.knowing(3, replace(mine, marks=frozenset())))
    after = import_device(without, exported(devices), PASSPHRASE)
    assert after.ledger.forgotten[3] == mine
    with pytest.raises(RequestMismatch):  # a copy of before the purge
        import_device(run.devices, exported(devices), PASSPHRASE)


def test_wrong_people_and_passphrases(devices: DeviceRun) -> None:
    content = exported(devices)
    with pytest.raises(UnknownUser):
        export_device(devices, "nobody", PASSPHRASE)
    with pytest.raises(BadOption, match="passphrase"):
        export_device(devices, "u03", "short")
    for wrong in ("", PASSPHRASE + " ", PASSPHRASE.upper()):
        with pytest.raises(BadData, match="passphrase"):
            import_device(devices, content, wrong)
    task: Any = devices.task
    other = replace(devices, task=replace(task, learning_rate=0.123))
    with pytest.raises(RequestMismatch, match="options"):
        import_device(other, content, PASSPHRASE)


def test_a_changed_file_is_refused(devices: DeviceRun) -> None:
    content = exported(devices)
    assert b"u03" not in content
    assert exported(devices)[17:33] != content[17:33]  # another salt each time
    for place in (0, 14, 15, 16, 17, 33, 45, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 64
        with pytest.raises(BadData):
            import_device(devices, bytes(changed), PASSPHRASE)
    for size in (0, 10, 45, 46, len(content) - 1):
        with pytest.raises(BadData):
            import_device(devices, content[:size], PASSPHRASE)


@pytest.mark.parametrize("work", [0, 13, 19, 63, 255])
def test_no_file_asks_for_much_memory(work: int) -> None:
    content = bytearray(sealed(b"x", PASSPHRASE, work=WORK))
    content[16] = work
    with pytest.raises(BadData, match="memory"):
        opened(bytes(content), PASSPHRASE)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\xff" * 40,
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (13).to_bytes(8, "little") + b'{"version":9}',
    ],
)
def test_what_opens_and_is_no_device(devices: DeviceRun, plain: bytes) -> None:
    with pytest.raises(BadData):
        import_device(devices, sealed(plain, PASSPHRASE, work=WORK), PASSPHRASE)
