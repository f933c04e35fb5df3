"""What training and unlearning cost: CPU seconds, bytes moved, bytes kept, memory.

CPU seconds are those of this whole process, all its threads together (``time.process_time``): a job that takes 10 s on
4 threads costs up to 40. They hold for comparisons on one machine with the number of threads pinned.

Beside the bytes that a method keeps for later unlearning stand what two published methods would have kept for the
same training run, as formulas: FedEraser (Liu et al., IWQoS 2021) and FRU (Yuan et al., arXiv 2210.10958).
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass
from typing import Self, final

from fedshare.options import above, at_least, whole

__all__ = ["Cost", "CpuClock", "federaser_bytes", "fru_bytes", "peak_mib"]


@final
@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run cost. Nothing here changes results.

    Raises:
        BadOption: A figure is negative or not a number.
    """

    cpu_s: float
    wall_s: float
    rounds: int = 0
    bytes_up_per_client: float = 0.0
    "Sent by one client over all rounds, mean over clients."
    bytes_down_per_client: float = 0.0
    kept_bytes_server: int = 0
    "Kept for later unlearning, beside the model itself."
    kept_bytes_per_device: int = 0
    peak_mib: float | None = None
    "Highest memory of the process so far; None where the system does not tell."

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None:
                at_least(name, value, 0, hint="Pass what was measured.")

    def __add__(self, other: Cost) -> Cost:
        """One after the other: times, rounds and moved bytes add up; of kept bytes and memory the larger counts."""
        peaks = [cost.peak_mib for cost in (self, other) if cost.peak_mib is not None]
        return Cost(
            cpu_s=self.cpu_s + other.cpu_s,
            wall_s=self.wall_s + other.wall_s,
            rounds=self.rounds + other.rounds,
            bytes_up_per_client=self.bytes_up_per_client + other.bytes_up_per_client,
            bytes_down_per_client=self.bytes_down_per_client + other.bytes_down_per_client,
            kept_bytes_server=max(self.kept_bytes_server, other.kept_bytes_server),
            kept_bytes_per_device=max(self.kept_bytes_per_device, other.kept_bytes_per_device),
            peak_mib=max(peaks, default=None),
        )

    def to_dict(self) -> dict[str, float | None]:
        """The figures under their own names, as JSON takes them."""
        return asdict(self)


@final
class CpuClock:
    """Measures CPU and wall-clock seconds of the block it stands around; can be read while it runs.

    Entering it again goes on counting, so that one clock can leave out what lies between two blocks.

    Example:
        >>> with CpuClock() as clock:
        ...     _ = sum(range(1000))
        >>> clock.cpu_s >= 0 and clock.wall_s > 0
        True
    """

    def __init__(self) -> None:
        self._cpu_s = 0.0
        self._wall_s = 0.0
        self._entered: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        self._entered = (time.process_time(), time.perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        self._cpu_s, self._wall_s = self.cpu_s, self.wall_s
        self._entered = None

    @property
    def cpu_s(self) -> float:
        """CPU seconds inside the block so far, all threads together."""
        return self._cpu_s + (time.process_time() - self._entered[0] if self._entered else 0.0)

    @property
    def wall_s(self) -> float:
        """Seconds on the wall inside the block so far."""
        return self._wall_s + (time.perf_counter() - self._entered[1] if self._entered else 0.0)


def peak_mib() -> float | None:
    """The highest resident memory of this process so far, in MiB; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # macOS counts bytes, Linux KiB


def federaser_bytes(
    *,
    rounds: int,
    clients_per_round: int,
    rows_per_client: int,
    embedding_size: int,
    interval: int = 1,
    value_bytes: int = 4,
) -> int:
    """What FedEraser would keep on the server: every client's update of every retained round.

    Liu et al., IWQoS 2021: with a retaining interval of ``interval`` rounds, ``floor(rounds / interval)`` rounds are
    retained, and of each the update of every client that took part::

        floor(rounds / interval) * clients_per_round * rows_per_client * embedding_size * value_bytes

    Args:
        rounds: Rounds of training.
        clients_per_round: Clients that took part in a round.
        rows_per_client: Item rows in one client's update; ``n_items`` for a dense update. The numbers of the rows of
            a sparse one are not counted, in FedEraser's favour.
        embedding_size: Numbers in a row.
        interval: Every how many rounds one is retained.
        value_bytes: Bytes of one number; 4 is fp32.

    Returns:
        Bytes.

    Raises:
        BadOption: A number is negative, or the interval is below 1.
    """
    _check_sizes(rounds=rounds, clients_per_round=clients_per_round, rows_per_client=rows_per_client)
    _check_sizes(1, embedding_size=embedding_size, interval=interval, value_bytes=value_bytes)
    return (rounds // interval) * clients_per_round * rows_per_client * embedding_size * value_bytes


def fru_bytes(
    *,
    rounds: int,
    clients_per_round: int,
    rows_per_client: int,
    embedding_size: int,
    alpha: float = 0.1,
    value_bytes: int = 4,
    index_bytes: int = 4,
) -> int:
    """What FRU would keep on all devices together: the most changed rows of each client's update of each round.

    Yuan et al., arXiv 2210.10958: every device logs its own updates of every round it took part in, of each the
    ``alpha`` share of item rows that changed most, with the number of each row::

        rounds * clients_per_round * ceil(alpha * rows_per_client) * (embedding_size * value_bytes + index_bytes)

    Its log of the user's own vector (one row more) is left out, in FRU's favour.

    Args:
        rounds: Rounds of training.
        clients_per_round: Clients that took part in a round.
        rows_per_client: Item rows in one client's update.
        embedding_size: Numbers in a row.
        alpha: Share of the rows that is kept, above 0 and at most 1.
        value_bytes: Bytes of one number; 4 is fp32.
        index_bytes: Bytes of a row's number.

    Returns:
        Bytes, summed over the devices.

    Raises:
        BadOption: A number is outside its range.
    """
    _check_sizes(rounds=rounds, clients_per_round=clients_per_round, rows_per_client=rows_per_client)
    _check_sizes(1, embedding_size=embedding_size, value_bytes=value_bytes)
    _check_sizes(index_bytes=index_bytes)
    above("alpha", alpha, 0, at_most=1, hint="It is a share of the rows.")
    # rounding first: 0.1 * 30 is a little above 3 in floating point and would be four rows
    kept_rows = math.ceil(round(alpha * rows_per_client, 9))
    return rounds * clients_per_round * kept_rows * (embedding_size * value_bytes + index_bytes)


def _check_sizes(least: int = 0, /, **sizes: int) -> None:
    for name, value in sizes.items():
        whole(name, value, least)
