"""The exact path: what a request costs, where updates and factorisations cross, what fewer weights cost, and more.

- requests: single people take back half, everything or one item, or erase, one after another, on Online Retail with
  everything shared; afterwards the model is held against training from the final share set.
- refresh: CPU seconds of an update and of a factorisation as more people change.
- neighbours: quality and download as each item keeps fewer weights.
- contributions: nothing shared, everything contributed by secure sum; takes minutes, so only with --contributions.
- movielens: MovieLens-100K, random 8:1:1, five splits; with --movielens PATH.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import parser, write

import fedshare as fs
from fedshare.algorithms.shared_ease.solution import Solution, shared_rows
from fedshare.cost import CpuClock
from fedshare.models.gram import digest, updated_gram
from fedshare.models.item_item import inverse_of, updated_inverse
from fedshare.rng import stream
from fedshare.sharing.request import Request

METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")


def quality(run: fs.Run, test: fs.Interactions) -> dict[str, float]:
    """What people get."""
    metrics = fs.evaluate(run, test).metrics
    return {name: metrics[name] for name in METRICS}


def request_of(ledger: fs.Ledger, user: str, number: int) -> tuple[str, Request]:
    """What one person asks for, in turn: half, everything, one item, one item erased."""
    shared = ledger.shared_items(user)
    kind = ("half", "everything", "one item", "erase one")[number % 4]
    if kind == "half" and len(shared) > 1:
        return kind, ledger.unshare(user, to=0.5)[1]
    if kind == "everything":
        return kind, ledger.unshare(user, everything=True)[1]
    if kind == "erase one":
        return kind, ledger.erase(user, shared[:1])[1]
    return "one item", ledger.unshare(user, shared[:1])[1]


def requests_part(run: fs.Run, seed: int, n: int) -> dict[str, Any]:
    """Costs of single requests, and whether the end is that of training from the final share set."""
    costs, gram_wall, now = [], [], run
    for number, user in enumerate(stream(seed, "who asks").permutation(run.ledger.users())[:n]):
        kind, request = request_of(now.ledger, str(user), number)
        before, after = (shared_rows(ledger.server_view()) for ledger in (request.before, request.after))
        changed = np.unique(request.user)
        counts = Solution.of(now.server.state, now.known.n_items).counts
        with CpuClock() as clock:
            updated_gram(counts, before[changed], after[changed])
        gram_wall.append(clock.wall_s)
        now = fs.unlearn(now, request, method=fs.ExactUnlearning())
        costs.append({"kind": kind, "n_pairs": len(request), "cpu_s": now.cost.cpu_s, "wall_s": now.cost.wall_s})
    again = fs.train(run.algorithm, now.ledger, chosen=run.chosen)
    restored = fs.refresh(now, now.ledger, method=fs.ExactUnlearning(refresh="factorise"))
    held, trained = (Solution.of(each.server.state, run.known.n_items) for each in (now, again))
    fs.verify(now).check()
    fs.verify(restored).check()
    wall = [each["wall_s"] for each in costs]
    return {
        "n": n,
        "median_wall_s": statistics.median(wall),
        "max_wall_s": max(wall),
        "median_cpu_s": statistics.median(each["cpu_s"] for each in costs),
        "median_gram_wall_s": statistics.median(gram_wall),
        "retrain_cpu_s": again.cost.cpu_s,
        "counts_identical": digest(held.counts) == digest(trained.counts),
        "largest_weight_difference_after_updates": float(abs(held.weights - trained.weights).max()),
        "updates_at_the_end": now.certificate.updates if now.certificate else None,
        "identical_after_factorisation": _bytes(restored) == _bytes(again),
        "costs": costs,
    }


def choice_of(run: fs.Run) -> fs.EaseChoice:
    """What validation clients chose."""
    assert isinstance(run.chosen, fs.EaseChoice)
    return run.chosen


def _bytes(run: fs.Run) -> list[bytes]:
    server = run.server.state
    return [each[name].numpy().tobytes() for each in (server.arrays, server.kept) for name in sorted(each)]


def refresh_part(run: fs.Run, sizes: tuple[int, ...]) -> dict[str, Any]:
    """An update for more and more people against a factorisation, in CPU seconds."""
    rows = shared_rows(run.server.view)
    held, reg = Solution.of(run.server.state, run.known.n_items), choice_of(run).reg
    assert held.inverse is not None
    with CpuClock() as factorised:
        inverse_of(held.counts, reg)
    updates = []
    for size in sizes:
        changed = np.arange(size)
        before = rows[changed]
        after = before.copy()
        after.data[::2] = 0
        after.eliminate_zeros()
        with CpuClock() as clock:
            updated_inverse(held.inverse, rows, reg, before, after, 1e-9)
        updates.append({"n_people": size, "rank": 2 * size, "cpu_s": clock.cpu_s})
        print(f"{size} people: update {clock.cpu_s:.2f} CPU s, factorisation {factorised.cpu_s:.2f}", flush=True)
    cheaper = [each["rank"] for each in updates if each["cpu_s"] < factorised.cpu_s]
    return {
        "factorisation_cpu_s": factorised.cpu_s,
        "updates": updates,
        "largest_cheaper_rank_over_items": max(cheaper, default=0) / run.known.n_items,
    }


def neighbours_part(run: fs.Run, test: fs.Interactions, kept: tuple[int, ...]) -> list[dict[str, Any]]:
    """Quality by weights kept for each item, everything else as it was chosen."""
    rows = []
    for neighbours in kept:
        chosen = replace(choice_of(run), neighbours=neighbours)
        again = fs.train(run.algorithm, run.ledger, chosen=chosen)
        rows.append(
            {"neighbours": neighbours, "download_bytes": again.cost.bytes_down_per_client, **quality(again, test)}
        )
        print(rows[-1], flush=True)
    return rows


def contributions_part(known: fs.Interactions, test: fs.Interactions, reference: fs.Run) -> dict[str, Any]:
    """Nothing shared, everything contributed; options as they were chosen with everything shared."""
    algorithm = replace(reference.algorithm, private_contributions=True)  # type: ignore[type-var]
    nothing = fs.share(known, fs.ShareNothing(), seed=0)
    run = fs.train(algorithm, nothing, chosen=reference.chosen)
    return {**quality(run, test), "cost": run.cost.to_dict()}


def movielens_part(path: Path, seeds: range) -> dict[str, Any]:
    """Random 8:1:1, everything shared: options chosen by devices on the 80 %; validation pairs are ranked by nobody.

    Plain EASE (no popularity penalty, all weights kept) beside it, its regulariser chosen on the validation tenth. What
    is to be found is a random part of what people have, so times are left out: validation clients then hold random
    pairs out, not the newest.
    """
    interactions, rows = fs.load(path), []
    for seed in seeds:
        training, validation, test = eight_one_one(replace(interactions, timestamp=None), seed)
        known = interactions.select(~np.isin(_keys(interactions), _keys(test)))
        ledger = fs.share(training, fs.ShareEverything(), seed=seed)
        row: dict[str, Any] = {"seed": seed}
        run = fs.train(fs.SharedEASE(), ledger, seed=seed)
        plain = []
        for reg in (100.0, 250.0, 500.0, 1000.0):
            fixed = fs.SharedEASE(regs=(reg,), popularity_penalties=(0.0,), neighbours=(training.n_items,))
            model = fs.train(fixed, ledger, seed=seed)
            plain.append((fs.evaluate(model, validation, ks=(10,)).metrics["ndcg@10"], model))
        for name, model in (("shared-ease", run), ("plain", max(plain, key=lambda each: each[0])[1])):
            found = fs.evaluate(model.device_scorer(), test, known=known)
            row[name] = {metric: found.metrics[metric] for metric in METRICS} | {"cpu_s": model.cost.cpu_s}
            row[name]["chosen"] = choice_of(model).to_dict()
        rows.append(row)
        print(row, flush=True)
    means = {
        name: {metric: statistics.fmean(row[name][metric] for row in rows) for metric in METRICS}
        for name in ("shared-ease", "plain")
    }
    return {"rows": rows, "mean": means}


def eight_one_one(interactions: fs.Interactions, seed: int) -> tuple[fs.Interactions, ...]:
    """Training, validation and test pairs as RecBole 1.2.1 splits them: a tenth of each user's, one at least, twice."""
    whole = interactions.without_split()
    draw = stream(seed, "8:1:1").permutation(whole.n_pairs)
    order = np.lexsort((draw, whole.user))
    place = np.empty(whole.n_pairs, dtype=np.int64)
    place[order] = np.arange(whole.n_pairs) - whole.offsets[whole.user]
    tenth = np.maximum(1, whole.user_degree() // 10)[whole.user]
    part = np.where(place < tenth, 2, np.where(place < 2 * tenth, 1, 0))
    return tuple(whole.select(part == number) for number in range(3))


def _keys(interactions: fs.Interactions) -> np.ndarray:
    return interactions.user.astype(np.int64) * interactions.n_items + interactions.item


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--requests", type=int, default=100)
    options.add_argument("--contributions", action="store_true")
    options.add_argument("--movielens", type=Path)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    if given.movielens:
        write("exact.movielens-100k", movielens_part(given.movielens, range(given.seed, given.seed + 5)))
        return
    known, test = fs.split_by_time(fs.load("online-retail"), test_fraction=0.2)
    ledger = fs.share(known, fs.ShareEverything(), seed=given.seed)
    run = fs.train(fs.SharedEASE(), ledger, seed=given.seed)
    if given.contributions:
        write("exact.contributions", contributions_part(known, test, run))
        return
    result = {
        "train": run.cost.to_dict(),
        "chosen": choice_of(run).to_dict(),
        "quality": quality(run, test),
        "requests": requests_part(run, given.seed, given.requests),
        "refresh": refresh_part(run, (1, 3, 10, 30, 100, 200, 300, 450, 600, 900)),
        "neighbours": neighbours_part(run, test, (12, 25, 50, 100, 400, 1000, 3659)),
    }
    print({name: value for name, value in result["requests"].items() if name != "costs"})
    write("exact", result)


if __name__ == "__main__":
    main()
