"""CPU seconds of one full round in the batched engine: 943 devices, vectors of 32 numbers, 4 negatives per positive.

Without ``--data`` a generated world of the size of MovieLens-100K stands in, so that the benchmark runs anywhere.
"""

from __future__ import annotations

import statistics

import torch
from common import parser, write

import fedshare as fs
from fedshare.cost import CpuClock
from fedshare.data.synthetic import random_world
from fedshare.federation.orders import MIN_COHORT, carry_out
from fedshare.simulation.population import Population
from fedshare.simulation.train import catalogue_of
from fedshare.training.loop import round_of
from fedshare.training.server_side import ServerSide


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", help="name or path")
    options.add_argument("--share", default="0.5")
    options.add_argument("--rounds", type=int, default=9)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    interactions = fs.load(given.data) if given.data else random_world(given.seed, 943, 1682, 100_000)
    algorithm = fs.FedShare(embedding_size=32, pseudo_items=0, pseudo_ratio=4.0)
    seconds = {}
    for spec in ("none", given.share):
        ledger = fs.share(interactions, fs.parse_share(spec), seed=given.seed)
        server = ServerSide(ledger.server_view(), catalogue_of(ledger), seed=given.seed, rounds=60)
        devices, state = Population(ledger), algorithm.start(server)
        state, _ = carry_out(round_of(algorithm, state, server, 1), devices, MIN_COHORT)  # sorts patterns, too
        measured = []
        for number in range(2, given.rounds + 2):
            with CpuClock() as clock:
                state, _ = carry_out(round_of(algorithm, state, server, number), devices, MIN_COHORT)
            measured.append(clock.cpu_s)
        seconds[spec] = {"median": statistics.median(measured), "min": min(measured), "max": max(measured)}
        print(f"share {spec}: {seconds[spec]['median']:.3f} CPU s a round (median of {given.rounds})")
    data = {"name": interactions.name, "n_users": interactions.n_users, "n_pairs": interactions.n_pairs}
    write("round_cost", {"data": data, "cpu_s_per_round": seconds})


if __name__ == "__main__":
    main()
