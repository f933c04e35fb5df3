"""Unlearning on Online Retail: 5 % of the people take back half of what they share.

Everybody shares half. Contrastive unlearning and two controls are held against retraining, and that against retraining
with another seed, which is the noise floor. Retraining is not looked at by any method.
"""

from __future__ import annotations

from typing import Any

import torch
from common import parser, write

import fedshare as fs
from fedshare.cost import federaser_bytes, fru_bytes
from fedshare.rng import stream
from fedshare.sharing.request import Request


def half_of_five_percent(ledger: fs.Ledger, seed: int) -> Request:
    """The request: a seeded 5 % of all people, among those who share two items or more, take back half of them."""
    able = [user for user in ledger.sharers() if len(ledger.shared_items(user)) >= 2]
    chosen = stream(seed, "who unshares").permutation(len(able))[: round(0.05 * ledger.known.n_users)]
    after = ledger
    for index in sorted(chosen):
        user = able[index]
        shared = ledger.shared_items(user)
        order = stream(seed, "what is unshared", user).permutation(len(shared))
        after, _ = after.unshare(user, [shared[place] for place in order[: len(shared) // 2]])
    return Request(ledger, after)


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--rounds", type=int, default=60)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    known, test = fs.split_by_time(fs.load("online-retail"), test_fraction=0.2)
    ledger = fs.share(known, fs.ShareFraction(0.5), seed=given.seed)
    request = half_of_five_percent(ledger, given.seed)
    algorithm = fs.FedShare()
    run = fs.train(algorithm, ledger, rounds=given.rounds, seed=given.seed)
    methods = [fs.ContrastiveUnlearning(), fs.DropOnly(), fs.FineTune()]
    unlearned = [(method, fs.unlearn(run, request, method=method)) for method in methods]
    reference = fs.unlearn(run, request, method=fs.Retrain())
    noise = fs.unlearn(run, request, method=fs.Retrain(seed=given.seed + 1))
    rows: list[dict[str, Any]] = []
    for method, after in unlearned:
        report = fs.audit(run, after, reference, request, test=test, noise=[noise])
        breaches = [str(breach) for breach in report.breaches(fs.AuditPolicy())]
        rows.append({"method": method.name, "audit": report.to_dict(), "breaches": breaches})
        print(method.name, report.summary(), sep="\n", end="\n\n")
    tables = run.server.state.tables
    rows_per_client = round(run.cost.bytes_up_per_client / given.rounds / (4 + 4 * algorithm.embedding_size))
    common = {
        "rounds": given.rounds,
        "clients_per_round": known.n_users,
        "rows_per_client": rows_per_client,
        "embedding_size": algorithm.embedding_size,
    }
    write(
        "unlearning" if given.seed == 0 else f"unlearning.seed{given.seed}",
        {
            "request": {"n_users": len(request.users()), "n_pairs": len(request)},
            "train_cpu_s": run.cost.cpu_s,
            "methods": rows,
            "kept_bytes": {
                "fedshare": run.cost.kept_bytes_server,
                "limit": 2 * 4 * sum(table.values.numel() for table in tables.values()),
                "federaser": federaser_bytes(**common),
                "fru": fru_bytes(**common),
            },
        },
    )


if __name__ == "__main__":
    main()
