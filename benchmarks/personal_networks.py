"""PFedRec and FedNCF on MovieLens-100K: on this project's split, and as far as possible as their authors measure.

``ours``: the latest fifth of each person's pairs is the test part, everything that the person does not have is ranked,
and negatives are items that the device does not know. ``legacy``: the latest pair of each person is the test part, the
one before it is laid aside, the test pair is ranked among 99 sampled items, and training draws its negatives outside
all interactions of a person: what is tested is never pushed down. ``legacy_fair`` is ``legacy`` with negatives that a
device could draw, and differs in nothing else.

Rounds are fixed beforehand; the authors of PFedRec report the round that is best for validation. Only PFedRec can
recommend from a device's own copies of what is published (``keep_items``), which is where sparing the test pair pays.
FedNCF is scored with what was published last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from common import parser, write

import fedshare as fs
from fedshare.algorithms.fedncf import FedNCFTask
from fedshare.algorithms.pfedrec import Examples, PFedRecTask
from fedshare.algorithms.registry import options_of
from fedshare.data.interactions import Interactions
from fedshare.federation.tasks import Cohort
from fedshare.models.ragged import Ragged

REPORTED = {
    "pfedrec": {
        "hr@10": None,
        "ndcg@10": None,
        "source": "Zhang et al., IJCAI 2023, arXiv 2301.08143",
        "note": "The paper's figure could not be confirmed from a text of it, so none is given.",
    },
    "fedncf": {
        "hr@10": 0.6062,
        "ndcg@10": 0.3325,
        "source": "Perifanis and Efraimidis, Knowledge-Based Systems 2022, as later papers print it",
        "note": "Printed by secondary sources as 60.62 / 33.25; not checked against the paper.",
    },
}

SPARED: dict[str, list[int]] = {}
"What no negative may be, by the owner's id: the leak of the legacy protocol."


def spared_of(cohort: Cohort) -> Ragged:
    """The spared items of a cohort's devices, as rows of the whole table."""
    mine = [SPARED.get(name, []) for name in cohort.names]
    offsets = torch.tensor([0, *map(len, mine)]).cumsum(0)
    return Ragged(offsets, torch.tensor([item for each in mine for item in each]), cohort.known.n_columns)


class LeakyPFedRecTask(PFedRecTask):
    """A task that knows what will be tested."""

    def examples(self, cohort: Cohort) -> Examples:
        return Examples.of(cohort, self.name, self.negatives, self.batch_size, excluded=spared_of(cohort))


class LeakyFedNCFTask(FedNCFTask):
    """A task that knows what will be tested."""

    def examples(self, cohort: Cohort) -> Examples:
        return Examples.of(cohort, self.name, self.negatives, self.batch_size, excluded=spared_of(cohort))


@dataclass(frozen=True, kw_only=True)
class LeakyPFedRec(fs.PFedRec):
    """PFedRec with the authors' negatives."""

    name: ClassVar[str] = "pfedrec"

    def task(self) -> LeakyPFedRecTask:
        return LeakyPFedRecTask(**vars(super().task()))


@dataclass(frozen=True, kw_only=True)
class LeakyFedNCF(fs.FedNCF):
    """FedNCF with the same negatives."""

    name: ClassVar[str] = "fedncf"

    def task(self) -> LeakyFedNCFTask:
        return LeakyFedNCFTask(**vars(super().task()))


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", default="movielens-100k", help="name or path")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--name", default="personal_networks", help="of the file of results")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    interactions = fs.load(given.data)
    seeds = range(given.seed, given.seed + given.seeds)
    rows = []
    for work in (ours, legacy):
        for seed in seeds:
            for row in work(interactions, seed):
                rows.append(row)
                print(row, flush=True)
                write(given.name, {"data": interactions.name, "rows": rows, "reported": REPORTED})


def ours(interactions: Interactions, seed: int):
    """Both on the project's split, whole ranking."""
    known, test = fs.split_by_time(interactions, test_fraction=0.2)
    for algorithm, rounds in ((fs.PFedRec(), 150), (fs.PFedRec(keep_items=True), 150), (fs.FedNCF(), 175)):
        run = fs.train(algorithm, fs.Ledger(known), rounds=rounds, seed=seed)
        metrics = fs.evaluate(run, test, ks=(20,)).metrics
        yield _row("ours", run, {name: metrics[name] for name in ("ndcg@20", "recall@20")})


def legacy(interactions: Interactions, seed: int):
    """Both on the latest pair among 99 sampled items, with negatives that spare it and with negatives that do not."""
    rest, test = fs.leave_last_out(interactions)
    known, validation = fs.leave_last_out(rest)
    SPARED.clear()
    for user, name in enumerate(interactions.users.ids):
        SPARED[name] = sorted([*test.items_of(user).tolist(), *validation.items_of(user).tolist()])
    theirs: dict[str, Any] = {"learning_rate": 0.1, "item_scale": 80.0}
    pairs = (
        (LeakyPFedRec(**theirs, keep_items=True), fs.PFedRec(**theirs, keep_items=True)),
        (LeakyPFedRec(**theirs), fs.PFedRec(**theirs)),
        (LeakyFedNCF(init_scale=1.0), fs.FedNCF(init_scale=1.0)),
    )
    for each in pairs:
        for protocol, algorithm in zip(("legacy", "legacy_fair"), each, strict=True):
            run = fs.train(algorithm, fs.Ledger(known), rounds=100, seed=seed)
            metrics = fs.evaluate(run.device_scorer(), test, known=rest, ks=(10,), sampled=99, seed=seed).metrics
            yield _row(protocol, run, {name: value for name, value in metrics.items() if "sampled" in name})


def _row(protocol: str, run: fs.Run, metrics: dict[str, float]) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "algorithm": run.algorithm.name,
        "options": options_of(run.algorithm),
        "rounds": run.rounds,
        "seed": run.seed,
        "metrics": metrics,
        "cpu_s": round(run.cost.cpu_s, 1),
    }


if __name__ == "__main__":
    main()
