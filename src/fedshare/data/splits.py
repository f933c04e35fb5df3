"""Splitting pairs into known and test, without a look at the test part.

Every split is a function of the pairs and the seed alone: pairs are kept sorted, so the order of the source's rows has
no say, ties included. Both parts keep the vocabularies of the whole and forget its canonical split. The splits made
here never take a user's only pair: to someone about whom nothing is known, nothing can be recommended.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedshare.data.interactions import TEST, Interactions
from fedshare.errors import MissingColumn
from fedshare.options import between
from fedshare.rng import stream

__all__ = [
    "Split",
    "canonical_split",
    "default_split",
    "holdout_validation",
    "leave_last_out",
    "random_split",
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
    between("test_fraction", test_fraction, 0, 1, hint=_A_FIFTH)
    age = _age(interactions, seed, "split_by_time")
    degree = interactions.user_degree()
    n_test = np.clip(np.rint(test_fraction * degree).astype(np.int64), 1, np.maximum(1, degree - 1))
    n_test[degree < MIN_PAIRS] = 0
    return _split(interactions, age < n_test[interactions.user])


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
    between("test_fraction", test_fraction, 0, 1, hint=_A_FIFTH)
    return _split(interactions, _drawn(interactions, test_fraction, seed, "random_split"))


def canonical_split(interactions: Interactions) -> Split:
    """The split that the source came with.

    Raises:
        MissingColumn: The source has none.
    """
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
    between("fraction", fraction, 0, 1, hint=_A_FIFTH)
    return _split(known, _drawn(known, fraction, seed, "holdout_validation"))


def default_split(interactions: Interactions, *, seed: int = 0) -> Split:
    """The split that suits the data: its canonical one, else by time (a fifth), else at random (a tenth)."""
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
    if interactions.timestamp is None:
        raise MissingColumn(
            f"{name}: '{interactions.name}' has no times (or not for every pair); expected a timestamp per pair. "
            f"Name the column with load(..., timestamp=...), or use random_split or canonical_split."
        )
    tie_break = stream(seed, "split", name).permutation(interactions.n_pairs)
    oldest_first = np.lexsort((tie_break, interactions.timestamp, interactions.user))
    age = np.empty(interactions.n_pairs, dtype=np.int64)
    last = interactions.offsets[1:][interactions.user] - 1  # lexsort keeps each user's pairs in the user's own range
    age[oldest_first] = last - np.arange(interactions.n_pairs)
    return age


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
