"""What it costs to read 10 million rows: CPU seconds and peak memory, each file in a process of its own.

    python benchmarks/load_large.py [--rows 10000000]

200,000 users and 50,000 items drawn from long tails, with ratings and times, as CSV and as Parquet. Writes
results/load_large.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from common import write

N_USERS, N_ITEMS = 200_000, 50_000


def made(n_rows: int) -> pl.DataFrame:
    """Rows with ids of text, as shops have them."""
    draw = np.random.default_rng(9)
    user = (N_USERS * draw.random(n_rows) ** 2).astype(np.int64)
    item = (N_ITEMS * draw.random(n_rows) ** 3).astype(np.int64)
    return pl.DataFrame(
        {
            "user_id": pl.Series(user).cast(pl.String).str.zfill(7),
            "item_id": "B" + pl.Series(item).cast(pl.String).str.zfill(6),
            "rating": draw.integers(1, 6, n_rows),
            "timestamp": draw.integers(1_400_000_000, 1_600_000_000, n_rows),
        }
    )


def measure(path: str) -> None:
    """Load one file and print what it took; meant for a process of its own."""
    import fedshare as fs

    began, cpu = time.perf_counter(), time.process_time()
    table = fs.load(path)
    print(
        json.dumps(
            {
                "cpu_s": round(time.process_time() - cpu, 1),
                "wall_s": round(time.perf_counter() - began, 1),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "file_mib": os.path.getsize(path) // 2**20,
                "n_users": table.n_users,
                "n_items": table.n_items,
                "n_pairs": table.n_pairs,
            }
        )
    )


def main() -> None:
    """Make the files, and load each in a process of its own."""
    parser = argparse.ArgumentParser(description="What it costs to read 10 million rows.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure)
        return
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        frame = made(given.rows)
        frame.write_csv(f"{folder}/log.csv")
        frame.write_parquet(f"{folder}/log.parquet")
        del frame
        for name in ("log.csv", "log.parquet"):
            words = [sys.executable, __file__, "--measure", str(Path(folder) / name)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            figures[name.rpartition(".")[2]] = json.loads(done.stdout)
            print(name, figures[name.rpartition(".")[2]])
    write("load_large", {"n_rows": given.rows, **figures})


if __name__ == "__main__":
    main()
