"""SharedEASE on a catalogue of some 40,000 items: does the dense exact path fit, what does it cost, what does it give?

Trains once on everything with the canonical split of the data (Gowalla: that of LightGCN, SIGIR 2020), then publishes
fewer and fewer weights for each item.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from common import parser, write

import fedshare as fs
from fedshare.algorithms.scorers import HistoryScorer
from fedshare.algorithms.shared_ease.solution import Solution
from fedshare.cost import CpuClock, peak_mib
from fedshare.models.gram import history_matrix


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", required=True, help="path")
    options.add_argument("--neighbours", type=int, nargs="+", default=[2000, 400, 200, 100, 50, 25])
    options.add_argument("--regs", type=float, nargs="+", default=fs.SharedEASE().regs, help="one is no choice")
    options.add_argument("--penalties", type=float, nargs="+", default=fs.SharedEASE().popularity_penalties)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    interactions = fs.load(given.data)
    known, test = fs.canonical_split(interactions)
    ledger = fs.share(known, fs.ShareEverything(), seed=given.seed)
    algorithm = fs.SharedEASE(
        regs=tuple(given.regs), popularity_penalties=tuple(given.penalties), neighbours=(max(given.neighbours),)
    )
    run = fs.train(algorithm, ledger, seed=given.seed)
    print(f"trained: {run.cost.cpu_s:.0f} CPU s, {run.cost.wall_s:.0f} s, peak {run.cost.peak_mib:.0f} MiB", flush=True)
    rows: list[dict[str, Any]] = []
    weights = Solution.of(run.server.state, known.n_items).weights
    histories = history_matrix(*ledger.device_pairs(), known.n_items)
    for neighbours in sorted(given.neighbours, reverse=True):
        with CpuClock() as clock:
            found = fs.evaluate(HistoryScorer(histories, strongest(weights, neighbours)), test, known=known, ks=(20,))
        rows.append({"neighbours": neighbours, "metrics": found.metrics, "evaluation_cpu_s": clock.cpu_s})
        print(neighbours, found.metrics, flush=True)
    write(
        f"exact_large.{interactions.name}",
        {
            "data": {"n_users": known.n_users, "n_items": known.n_items, "n_pairs": known.n_pairs},
            "chosen": run.chosen.to_dict() if run.chosen else None,
            "train": run.cost.to_dict(),
            "kept_bytes": run.kept_bytes,
            "peak_mib": peak_mib(),
            "by_neighbours": rows,
        },
    )


def strongest(weights: Any, neighbours: int) -> Any:
    """The largest weights of each column."""
    columns = weights.tocsc()
    for item in range(columns.indptr.size - 1):
        own = columns.data[columns.indptr[item] : columns.indptr[item + 1]]
        if len(own) > neighbours:
            own[np.abs(own) < np.partition(np.abs(own), -neighbours)[-neighbours]] = 0.0
    columns.eliminate_zeros()
    return columns.tocsr()


if __name__ == "__main__":
    main()
