"""Quality against how much is shared, on a split by time if there are times, with baselines and ceilings.

The rows are kept as they are found, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import torch
from common import RESULTS, parser, write

import fedshare as fs
from fedshare.data.splits import default_split
from fedshare.experiments.compare import compare

SHARES = ("0", "0.1", "0.3", "0.5", "0.7", "1", "users:0.1", "users:0.3", "users:0.5")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", nargs="+", default=["online-retail"], help="names or paths")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--rounds", type=int, default=60)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    for data in given.data:
        interactions = fs.load(data)
        name = interactions.name
        split = fs.split_by_time(interactions) if interactions.timestamp is not None else default_split(interactions)
        ours = compare(
            {name: split},
            [fs.FedShare(), fs.SharedEASE()],
            [fs.parse_share(spec) for spec in SHARES],
            seeds=given.seeds,
            seed=given.seed,
            rounds=given.rounds,
            folder=RESULTS / f"sharing_pays.{name}",
        )
        others = compare(
            {name: split},
            [fs.Random(), fs.Popularity(), fs.FedMF(), fs.LightGCN()],
            [fs.ShareEverything()],
            seeds=given.seeds,
            seed=given.seed,
            rounds=given.rounds,
            folder=RESULTS / f"sharing_pays.{name}",
        )
        write(f"sharing_pays.{name}", {"rows": ours.to_dict()["rows"] + others.to_dict()["rows"]})


if __name__ == "__main__":
    main()
