import json

import pytest

from fedshare.errors import BadOption
from fedshare.evaluation import Cost, CpuClock, federaser_bytes, fru_bytes, peak_mib


def test_clock_counts_work_and_goes_on_when_entered_again():
    clock = CpuClock()
    with clock:
        sum(range(200_000))
        inside = clock.cpu_s
    first, wall = clock.cpu_s, clock.wall_s
    assert 0 < inside <= first
    sum(range(200_000))
    assert clock.cpu_s == first  # what lies between two blocks does not count
    with clock:
        sum(range(200_000))
    assert clock.cpu_s > first
    assert clock.wall_s > wall


def test_costs_one_after_the_other_add_up():
    first = Cost(cpu_s=1, wall_s=2, rounds=3, bytes_up_per_client=4, kept_bytes_server=50, peak_mib=100.0)
    second = Cost(cpu_s=10, wall_s=20, rounds=30, bytes_up_per_client=40, kept_bytes_server=5)
    both = first + second
    assert (both.cpu_s, both.wall_s, both.rounds, both.bytes_up_per_client) == (11, 22, 33, 44)
    assert (both.kept_bytes_server, both.peak_mib) == (50, 100.0)
    assert json.loads(json.dumps(both.to_dict()))["cpu_s"] == 11


@pytest.mark.parametrize("bad", [{"cpu_s": -1}, {"wall_s": float("nan")}, {"peak_mib": float("inf")}])
def test_costs_are_numbers(bad):
    with pytest.raises(BadOption, match=next(iter(bad))):
        Cost(**({"cpu_s": 0.0, "wall_s": 0.0} | bad))


def test_peak_memory_is_that_of_a_python_process():
    peak = peak_mib()
    assert peak is None or 10 < peak < 100_000


def test_federaser_keeps_every_update_of_the_retained_rounds():
    sizes = {"clients_per_round": 5, "rows_per_client": 7, "embedding_size": 8}
    assert federaser_bytes(rounds=10, **sizes) == 10 * 5 * 7 * 8 * 4
    assert federaser_bytes(rounds=10, interval=4, **sizes) == 2 * 5 * 7 * 8 * 4
    assert federaser_bytes(rounds=3, interval=4, **sizes) == 0


def test_fru_keeps_the_most_changed_rows():
    sizes = {"rounds": 10, "clients_per_round": 5, "embedding_size": 8}
    assert fru_bytes(rows_per_client=30, alpha=0.1, **sizes) == 10 * 5 * 3 * (8 * 4 + 4)  # 0.1 * 30 is not 3 exactly
    assert fru_bytes(rows_per_client=31, alpha=0.1, **sizes) == 10 * 5 * 4 * (8 * 4 + 4)
    assert fru_bytes(rows_per_client=31, alpha=1, index_bytes=0, **sizes) == 10 * 5 * 31 * 8 * 4


def test_sizes_are_checked():
    sizes = {"rounds": 1, "clients_per_round": 1, "rows_per_client": 1, "embedding_size": 1}
    with pytest.raises(BadOption, match="interval: got 0"):
        federaser_bytes(**sizes, interval=0)
    with pytest.raises(BadOption, match=r"embedding_size: got 1\.5, expected a whole number"):
        federaser_bytes(**(sizes | {"embedding_size": 1.5}))  # pyright: ignore[reportArgumentType] on purpose
    with pytest.raises(BadOption, match="rounds: got -1"):
        federaser_bytes(**(sizes | {"rounds": -1}))
    with pytest.raises(BadOption, match="alpha: got 0"):
        fru_bytes(**sizes, alpha=0)
