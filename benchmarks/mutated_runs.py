"""A thousand run folders that something happened to: does each end in a named error, or work?

One thing is changed in each, by a seed; half of the time all digests are made to fit afterwards. Each folder is loaded
and, if that goes, recommended from, evaluated, unlearned from and saved. What counts is that there is no error without
a name, nothing that hangs, and no more memory than 512 MiB above that of the untouched runs.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from common import parser, write

from fedshare.cost import peak_mib
from fedshare.testing.mutated_runs import make_runs, mutate, outcome_of

_LIMIT_S, _LIMIT_MIB = 30, 512


class _TooLong(BaseException):
    pass


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--count", type=int, default=1000, help="folders")
    options.add_argument("--first", type=int, default=0, help="seed of the first one")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    signal.signal(signal.SIGALRM, _too_long)
    outcomes: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    unnamed: list[dict[str, object]] = []
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = make_runs(folder)
        for run in runs:
            assert outcome_of(run, folder / "elsewhere") == "works", run
        clean = peak_mib() or 0.0
        for number in range(given.first, given.first + given.count):
            draw = np.random.default_rng(number)
            base, other = (runs[int(index)] for index in draw.integers(len(runs), size=2))
            shutil.copytree(base, folder / "mutated", symlinks=True)
            done = mutate(folder / "mutated", other, draw)
            begun = time.perf_counter()
            try:
                signal.alarm(_LIMIT_S)
                outcome = outcome_of(folder / "mutated", folder / "elsewhere")
            except BaseException as error:
                outcome = f"UNNAMED {type(error).__name__}"
                unnamed.append({"seed": number, "run": base.name, "mutation": done, "error": repr(error)[:300]})
                traceback.print_exc()
                print(number, base.name, done, file=sys.stderr)
            finally:
                signal.alarm(0)
            slowest = max(slowest, time.perf_counter() - begun)
            outcomes[outcome] += 1
            how = "digests fit" if done.resealed else "digests as they were"
            kinds.setdefault(f"{done.kind.removeprefix('more ')}, {how}", Counter())[outcome] += 1
            shutil.rmtree(folder / "mutated")
    above = (peak_mib() or 0.0) - clean
    result = {
        "folders": given.count,
        "runs": [run.name for run in runs],
        "outcomes": dict(outcomes.most_common()),
        "kinds": {kind: dict(found.most_common()) for kind, found in sorted(kinds.items())},
        "unnamed": unnamed,
        "slowest_s": round(slowest, 2),
        "mib_above_clean": round(above, 1),
    }
    write("mutated_runs", result)
    print(outcomes.most_common(), f"slowest {slowest:.1f} s, {above:.0f} MiB above the clean runs")
    sys.exit(bool(unnamed) or above > _LIMIT_MIB)


def _too_long(*_: object) -> None:
    raise _TooLong(f"more than {_LIMIT_S} s")


if __name__ == "__main__":
    main()
