"""A shop's year: Online Retail replayed month by month, refreshed runs against training anew.

Training on the first month; then each month's purchases are observed, newcomers put their slider where the others'
stands, and the run is refreshed. Both models rank what people who are known buy for the first time in the month after.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from common import parser, write

import fedshare as fs

MONTHS = [int(datetime(2010 + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) for month in range(11, 25)]
ALGORITHMS = {"fedshare": fs.FedShare, "shared-ease": fs.SharedEASE, "fedmf": fs.FedMF}


def bought_in(data: fs.Interactions, month: int) -> fs.Interactions:
    """The purchases of a month, counted from December 2010."""
    assert data.timestamp is not None
    return data.select((data.timestamp >= MONTHS[month]) & (data.timestamp < MONTHS[month + 1])).compact()


def first_time_in(data: fs.Interactions, month: int, known: fs.Interactions) -> fs.Interactions:
    """What known people buy in a month and did not have, of known items."""
    later = bought_in(data, month)
    ids = zip(later.users.ids_at(later.user), later.items.ids_at(later.item), strict=True)
    pairs = [(known.users.index(u), known.items.index(i)) for u, i in ids if u in known.users and i in known.items]
    user, item = (np.array(each) for each in zip(*pairs, strict=True))
    new = known.positions(user, item) < 0
    order = np.lexsort((item[new], user[new]))
    return fs.Interactions(
        known.users, known.items, user[new][order].astype(np.int32), item[new][order].astype(np.int32)
    )


def year(name: str, share: float, rounds: int, seed: int, steps: int) -> list[dict[str, Any]]:
    """One algorithm through the year."""
    data, make = fs.load("online-retail"), ALGORITHMS[name]
    ledger = fs.share(bought_in(data, 0), fs.ShareFraction(share), seed=seed)
    run = fs.train(make(), ledger, rounds=rounds, seed=seed)
    found: list[dict[str, Any]] = []
    for month in range(1, steps):
        before, end = set(ledger.users()), MONTHS[month + 1]
        ledger = ledger.observe(bought_in(data, month), now=end)
        for user in sorted(set(ledger.users()) - before):
            ledger = ledger.share(user, fraction=share, now=end)
        run = fs.refresh(run, ledger, now=end)
        anew = fs.train(make(), ledger, rounds=rounds, seed=seed)
        test = first_time_in(data, month + 1, ledger.known)
        ndcg = [fs.evaluate(each, test).metrics["ndcg@20"] for each in (run, anew)]
        found.append(
            {
                "month": datetime.fromtimestamp(MONTHS[month], UTC).strftime("%Y-%m"),
                "n_pairs": ledger.known.n_pairs,
                "n_test": len(test),
                "ndcg@20": {"refreshed": ndcg[0], "anew": ndcg[1], "ratio": ndcg[0] / ndcg[1]},
                "cpu_s": {"refreshed": run.cost.cpu_s, "anew": anew.cost.cpu_s},
                "chosen": {
                    side: each.chosen.to_dict() if each.chosen else None
                    for side, each in (("refreshed", run), ("anew", anew))
                },
            }
        )
        print(name, found[-1]["month"], found[-1]["ndcg@20"], found[-1]["cpu_s"], flush=True)
    return found


def main() -> None:
    """All algorithms."""
    options = parser("Online Retail, month by month: refreshed runs against training anew.")
    options.add_argument("--share", type=float, default=0.5)
    options.add_argument("--rounds", type=int, default=60)
    options.add_argument("--algorithms", default=",".join(ALGORITHMS))
    options.add_argument("--steps", type=int, default=12)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    found: dict[str, Any] = {}
    for name in given.algorithms.split(","):
        months = year(name, given.share, given.rounds, given.seed, given.steps)
        spent = [sum(each["cpu_s"][side] for each in months) for side in ("refreshed", "anew")]
        found[name] = {
            "months": months,
            "worst_ratio": min(each["ndcg@20"]["ratio"] for each in months),
            "cpu_s": {"refreshed": spent[0], "anew": spent[1], "ratio": spent[0] / spent[1]},
        }
        print(name, "worst ratio", found[name]["worst_ratio"], "cost", found[name]["cpu_s"]["ratio"])
    write("refresh", {"share": given.share, "rounds": given.rounds, "seed": given.seed, "algorithms": found})


if __name__ == "__main__":
    main()
