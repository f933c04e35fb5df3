"""Splitting pairs into known and test, without a look at the test part.

Every split is a function of the pairs and the seed alone: pairs are kept sorted, so the order of the source's rows has
no say, ties included. Both parts keep the vocabularies of the whole and forget its canonical split. The splits by
person never take a user's only pair: of someone about whom nothing is known, little can be said. ``split_at_time``, one
cut for everybody, does so: whoever comes after the cut is a newcomer there, as in life.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import TEST, Interactions
from fedshare.errors import BadData, BadOption, EmptyData, MissingColumn
from fedshare.options import between, instance, shown, whole
from fedshare.rng import stream

__all__ = [
    "Split",
    "canonical_split",
    "default_split",
    "holdout_validation",
    "leave_last_out",
    "random_split",
    "split_at_time",
    "split_by_time",
]

MIN_PAIRS = 5
"Users with fewer pairs stay whole in training when splitting by time."

_A_FIFTH = "Write 0.2 for a fifth."


class Split(NamedTuple):
    """Two parts of one set of pairs, on the same vocabularies: ``known, test = split_by_time(interactions)``."""

    known: Interactions
    "What is there to train on."
    test: Interactions
    "What is held out (the validation pairs, where ``holdout_validation`` made the split)."


def split_by_time(interactions: Interactions, test_fraction: float = 0.2, *, seed: int = 0) -> Split:
    """Per user the latest ``test_fraction`` of the pairs is the test part, rounded, at least one, never all.

    Pairs of one time (a basket) are put in a seeded order first. Users with fewer than five pairs stay whole in
    training.

    Args:
        interactions: Pairs with times.
        test_fraction: Above 0 and below 1.
        seed: Which of the pairs of one basket count as the later ones.

    Raises:
        BadOption: ``test_fraction`` is not between 0 and 1.
        MissingColumn: The pairs have no times.

    Example:
        >>> from fedshare.data.synthetic import random_world
        >>> known, test = split_by_time(random_world(0, n_pairs=300), test_fraction=0.2)
        >>> len(known) + len(test)
        300
    """
    _check(interactions, seed)
    between("test_fraction", test_fraction, 0, 1, hint=_A_FIFTH)
    age = _age(interactions, seed, "split_by_time")
    degree = interactions.user_degree()
    n_test = np.clip(np.rint(test_fraction * degree).astype(np.int64), 1, np.maximum(1, degree - 1))
    n_test[degree < MIN_PAIRS] = 0
    return _split(interactions, age < n_test[interactions.user])


def split_at_time(
    interactions: Interactions, time: int | datetime | str | None = None, *, test_fraction: float | None = None
) -> Split:
    """One cut in time for everybody: what happened at ``time`` or later is the test part.

    Nothing is drawn. Pairs of one time stay together, so ``test_fraction`` is met as nearly as the times allow; of two
    cuts that are equally near, the later one is taken. People whose first pair comes after the cut have test pairs
    only. Items too may be in the test part alone; ``evaluate`` counts them.

    Args:
        interactions: Pairs with times.
        time: The cut: seconds since 1970-01-01 UTC, a ``datetime`` or text such as "2011-11-01" or
            "2011-11-01T12:00:00+01:00"; without a zone it is UTC.
        test_fraction: How much of all pairs is to be in the test part instead; 0.2 where neither is given.

    Raises:
        BadOption: Both are given, ``time`` is no time, or one of the parts would be empty.
        BadData: All times are equal.
        MissingColumn: The pairs have no times.

    Example:
        >>> table = Interactions.from_arrays(["ann", "ann", "bob"], ["tea", "milk", "tea"], timestamp=[10, 20, 30])
        >>> known, test = split_at_time(table, 20)
        >>> len(known), len(test)
        (1, 2)
    """
    _check(interactions)
    times = _times(interactions, "split_at_time")
    if time is not None and test_fraction is not None:
        raise BadOption("split_at_time: got time and test_fraction, expected one of them. Leave the other out.")
    first, last = int(times.min()), int(times.max())
    if first == last:
        raise BadData(
            f"split_at_time: all {len(times):,} times of {shown(interactions.name)} are equal ({_moment(first)}), "
            "expected different ones. Use random_split, or name another column of times."
        )
    cut = _cut(times, 0.2 if test_fraction is None else test_fraction) if time is None else _seconds(time)
    if not first < cut <= last:
        raise BadOption(
            f"time: got {_moment(cut)}, which leaves one part empty; expected a time after {_moment(first)} and no "
            f"later than {_moment(last)}."
        )
    return _split(interactions, times >= cut)


def leave_last_out(interactions: Interactions, *, seed: int = 0) -> Split:
    """The latest pair of each user is the test part; a user with one pair keeps it in training.

    Args:
        interactions: Pairs with times.
        seed: Which pair of the latest basket counts as the last one.

    Raises:
        MissingColumn: The pairs have no times.

    Example:
        >>> from fedshare.data.synthetic import two_taste_world
        >>> len(leave_last_out(two_taste_world(n_users=20)).test)
        20
    """
    _check(interactions, seed)
    age = _age(interactions, seed, "leave_last_out")
    return _split(interactions, (age == 0) & (interactions.user_degree()[interactions.user] > 1))


def random_split(interactions: Interactions, test_fraction: float = 0.1, *, seed: int = 0) -> Split:
    """``round(test_fraction * n_pairs)`` pairs, drawn from all pairs alike, are the test part.

    Each user keeps one pair in training, so a very large fraction takes fewer. For the usual 8:1:1, hold out a ninth
    of what is left for validation: ``holdout_validation(known, fraction=1 / 9)``.

    Args:
        interactions: Any pairs.
        test_fraction: Above 0 and below 1.
        seed: Which pairs.

    Raises:
        BadOption: ``test_fraction`` is not between 0 and 1.

    Example:
        >>> from fedshare.data.synthetic import random_world
        >>> len(random_split(random_world(0, n_pairs=300), test_fraction=0.1).test)
        30
    """
    _check(interactions, seed)
    between("test_fraction", test_fraction, 0, 1, hint=_A_FIFTH)
    return _split(interactions, _drawn(interactions, test_fraction, seed, "random_split"))


def canonical_split(interactions: Interactions) -> Split:
    """The split that the source came with.

    Raises:
        MissingColumn: The source has none.
    """
    _check(interactions)
    if interactions.split is None:
        raise MissingColumn(
            f"canonical_split: '{interactions.name}' comes without a split of its own; expected a column 'split' with "
            f"'train' and 'test'. Use split_by_time, leave_last_out or random_split."
        )
    return _split(interactions, interactions.split == TEST)


def holdout_validation(known: Interactions, fraction: float = 0.1, seed: int = 0) -> Split:
    """Hold out pairs to choose options on, so that the test part stays unseen.

    ``round(fraction * n_pairs)`` pairs, drawn from all pairs alike, with another draw than ``random_split`` for the
    same seed; each user keeps one pair.

    Args:
        known: The first part of a split.
        fraction: Above 0 and below 1.
        seed: Which pairs.

    Returns:
        What is left to train on, and the validation pairs (under the name ``test``).

    Raises:
        BadOption: ``fraction`` is not between 0 and 1.
    """
    _check(known, seed)
    between("fraction", fraction, 0, 1, hint=_A_FIFTH)
    return _split(known, _drawn(known, fraction, seed, "holdout_validation"))


def default_split(interactions: Interactions, *, seed: int = 0) -> Split:
    """The split that suits the data: its canonical one, else by time (a fifth), else at random (a tenth)."""
    _check(interactions, seed)
    if interactions.split is not None:
        return canonical_split(interactions)
    if interactions.timestamp is not None:
        return split_by_time(interactions, seed=seed)
    return random_split(interactions, seed=seed)


def _split(interactions: Interactions, in_test: NDArray[np.bool_]) -> Split:
    whole = interactions.without_split()
    return Split(whole.select(~in_test), whole.select(in_test))


def _age(interactions: Interactions, seed: int, name: str) -> NDArray[np.int64]:
    """How many later pairs the pair's user has, shape ``(n_pairs,)``: 0 for the latest, ties in a seeded order."""
    times = _times(interactions, name)
    tie_break = stream(seed, "split", name).permutation(interactions.n_pairs)
    oldest_first = np.lexsort((tie_break, times, interactions.user))
    age = np.empty(interactions.n_pairs, dtype=np.int64)
    last = interactions.offsets[1:][interactions.user] - 1  # lexsort keeps each user's pairs in the user's own range
    age[oldest_first] = last - np.arange(interactions.n_pairs)
    return age


def _check(interactions: object, seed: object = 0) -> None:
    instance("interactions", interactions, Interactions, "interactions", hint="Read them with fs.load.")
    whole("seed", seed)


def _times(interactions: Interactions, name: str) -> NDArray[np.int64]:
    if interactions.timestamp is None:
        raise MissingColumn(
            f"{name}: '{interactions.name}' has no times (or not for every pair); expected a timestamp per pair. "
            f"Name the column with load(..., timestamp=...), or use random_split or canonical_split."
        )
    if not len(interactions):
        raise EmptyData(f"{name}: got no pair, expected at least one. Load more data.")
    return interactions.timestamp


def _cut(times: NDArray[np.int64], test_fraction: float) -> int:
    """The time from which on nearest to this fraction of the pairs lies, neither none nor all of them."""
    between("test_fraction", test_fraction, 0, 1, hint=_A_FIFTH)
    moments, counts = np.unique(times, return_counts=True)
    later = np.cumsum(counts[::-1])[::-1][1:]  # pairs at each moment or after it, without the first moment
    distance = np.abs(later - test_fraction * len(times))
    nearest = len(distance) - 1 - int(np.argmin(distance[::-1]))
    return int(moments[1 + nearest])


def _seconds(time: object) -> int:
    """A time as seconds since 1970; fractions of a second count as the next one, so that nothing earlier is taken."""
    if isinstance(time, str) and time.isdecimal() and 8 < len(time) < 20:  # eight digits are a date
        return int(time)
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time.strip())
        except ValueError:
            raise BadOption(
                f"time: got {shown(time)}, expected a time such as 2011-11-01 or 2011-11-01T12:00."
            ) from None
    if isinstance(time, date) and not isinstance(time, datetime):
        time = datetime(time.year, time.month, time.day)
    if isinstance(time, datetime):
        zoned = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return math.ceil(zoned.timestamp())
    whole("time", time, hint="Seconds since 1970, a datetime, or text such as '2011-11-01'.")
    return int(cast(int, time))


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # beyond what a calendar has
        return f"{shown(seconds)} seconds"


def _drawn(interactions: Interactions, fraction: float, seed: int, name: str) -> NDArray[np.bool_]:
    """A random part of the pairs without any user's whole, shape ``(n_pairs,)``."""
    n_pairs = interactions.n_pairs
    draw = stream(seed, "split", name).permutation(n_pairs)
    by_user = np.lexsort((draw, interactions.user))
    last_of_user = by_user[interactions.offsets[1:][interactions.user_degree() > 0] - 1]
    draw[last_of_user] = n_pairs  # behind all others, and never reached
    n_drawn = min(round(fraction * n_pairs), n_pairs - len(last_of_user))
    in_test = np.zeros(n_pairs, dtype=np.bool_)
    in_test[np.argsort(draw)[:n_drawn]] = True
    return in_test
