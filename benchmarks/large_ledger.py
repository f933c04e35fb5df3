"""What a ledger of ten million pairs and a million events costs."""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import parser, write

import fedshare as fs
from fedshare.data.vocabulary import Vocabulary
from fedshare.simulation.waiting import Journal


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Spent:
    """CPU seconds of steps, and the peak of memory by then."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, float]] = {}
        self._since = time.process_time()

    def begin(self) -> None:
        self._since = time.process_time()

    def end(self, step: str) -> None:
        self.steps[step] = {"cpu_s": round(time.process_time() - self._since, 2), "peak_mib": round(peak_mib())}
        print(step, self.steps[step], flush=True)
        self.begin()


def shop(n_users: int, n_items: int, n_rows: int, seed: int) -> fs.Interactions:
    """Purchases by chance, few items of them bought by many."""
    draw = np.random.default_rng(seed)
    user = draw.integers(0, n_users, n_rows)
    keys = np.unique(user * n_items + (draw.random(n_rows) ** 2 * n_items).astype(np.int64))
    users = Vocabulary("user", [f"u{number:07}" for number in range(n_users)])
    items = Vocabulary("item", [f"i{number:06}" for number in range(n_items)])
    user, item = (keys // n_items).astype(np.int32), (keys % n_items).astype(np.int32)
    return fs.Interactions(users, items, user, item, timestamp=np.arange(len(keys)), name="shop")


def add_events(ledger: fs.Ledger, n: int, seed: int) -> tuple[fs.Ledger, dict[str, float]]:
    """Events by name, on pairs by chance; the median of some of them, in microseconds."""
    known, draw = ledger.known, np.random.default_rng(seed)
    shared = ledger.state.copy()
    places = draw.integers(0, known.n_pairs, n).tolist()
    took: list[float] = []
    for number, place in enumerate(places):
        user, item = known.users.id(int(known.user[place])), known.items.id(int(known.item[place]))
        begun = time.perf_counter()
        if shared[place]:
            ledger, _ = ledger.unshare(user, [item], now=number)
        else:
            ledger = ledger.share(user, [item], now=number)
        if number % max(1, n // 1_000) == 0 or n < 1_000:
            took.append((time.perf_counter() - begun) * 1e6)
        shared[place] = 1 - shared[place]
    return ledger, {"median_us": statistics.median(took), "p95_us": float(np.quantile(took, 0.95))}


def add_others(ledger: fs.Ledger) -> dict[str, float]:
    """Medians of a slider that moves and of a purchase, in microseconds."""
    sliders, purchases = [], []
    for number in range(1_000):
        user = ledger.ids[0][number * 37]
        begun = time.perf_counter()
        ledger = ledger.share(user, fraction=min(1.0, ledger.share_of(user) + 0.2), now=number)
        sliders.append((time.perf_counter() - begun) * 1e6)
        begun = time.perf_counter()
        ledger = ledger.observe([(user, ledger.ids[1][number])], now=number)
        purchases.append((time.perf_counter() - begun) * 1e6)
    return {"slider_median_us": statistics.median(sliders), "purchase_median_us": statistics.median(purchases)}


def durable(ledger: fs.Ledger, folder: Path) -> dict[str, float]:
    """Milliseconds until an event is on the disk."""
    took: list[float] = []
    with Journal(folder / "journal.jsonl") as journal:
        for number in range(500):
            since = ledger.position
            user = ledger.ids[0][number]
            ledger = ledger.set_rule(user, fs.ShareUntil(number), now=number)
            begun = time.perf_counter()
            journal.add(ledger, since)
            took.append((time.perf_counter() - begun) * 1e3)
    return {"median_ms": statistics.median(took), "p95_ms": float(np.quantile(took, 0.95))}


def main() -> None:
    """All of it, once."""
    options = parser("A ledger of ten million pairs and a million events.")
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--users", type=int, default=200_000)
    options.add_argument("--items", type=int, default=50_000)
    options.add_argument("--events", type=int, default=1_000_000)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    spent, result = Spent(), dict[str, Any]()
    known = shop(given.users, given.items, given.rows, given.seed)
    spent.end("make the data")
    ledger = fs.share(known, fs.ShareFraction(0.4), seed=given.seed)
    spent.end("share")
    run = fs.train(fs.Popularity(), ledger, seed=given.seed)
    spent.end("train popularity")
    _, result["at_few_events"] = add_events(ledger.at(0), 1_000, given.seed)
    spent.begin()
    ledger, result["at_many_events"] = add_events(ledger, given.events, given.seed)
    spent.end(f"{given.events:,} events")
    result["others"] = add_others(ledger)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result["durable"] = durable(ledger, folder)
        spent.begin()
        _ = ledger.state
        spent.end("state")
        columns = ledger.event_columns()
        spent.end("events as columns")
        again = fs.Ledger.restore(ledger.known, columns, given.seed)
        spent.end("cold fold")
        assert (again.state == ledger.state).all()
        del again
        spent.begin()
        fs.Ledger.restore(ledger.known, columns, given.seed, state=ledger.state, held_back=ledger.held_back)
        spent.end("warm start")
        _ = ledger.server_view()
        spent.end("server view")
        _ = ledger.version
        spent.end("version")
        run = fs.refresh(run, ledger, now=given.events)
        spent.end("refresh popularity")
        run.save(folder / "run")
        spent.end("save")
        fs.Run.load(folder / "run")
        spent.end("load")
    print(result)
    sizes = {"n_pairs": known.n_pairs, "n_users": known.n_users, "n_items": known.n_items, "n_events": given.events}
    write("large_ledger", sizes | {"steps": spent.steps} | result)


if __name__ == "__main__":
    main()
