"""What a server's manifest says: its fields by type, and plain values made into options, choices and certificates."""

from __future__ import annotations

from typing import Any, Literal

from fedshare.algorithms.registry import ALGORITHMS, algorithm, choice_from
from fedshare.errors import DamagedRun
from fedshare.storage.schema import Hex, Seed, check_fields, check_values
from fedshare.training.algorithm import Algorithm, Choice
from fedshare.training.certificate import Certificate, Certifying
from fedshare.training.history import Keeping, Nothing, Snapshots

__all__ = ["FIELDS", "algorithm_of", "certificate_of", "check_counts", "choice_of", "keep_values", "keeping_of"]

FIELDS = {
    "fedshare": str,
    "python": str,
    "torch": str,
    "algorithm": dict[str, Any],
    "rounds": int,
    "round": int,
    "seed": Seed,
    "finished": bool,
    "min_cohort": int,
    "n_users": int,
    "n_items": int,
    "has_times": bool,
    "share_set": Hex | None,
    "chosen": dict[str, float] | None,
    "keep": dict[str, Any],
    "snapshots": tuple[dict[str, Any], ...],
    "certificate": dict[str, Any] | None,
}
_CERTIFICATE = {
    "share_set": Hex,
    "catalogue": Hex,
    "options": dict[str, float],
    "gram": Hex,
    "contributed": Hex | None,
    "weights": Hex,
    "how": Literal["factorised", "updated"],
    "updates": int,
    "tolerance": float,
    "numerics": str,
    "previous": Hex | None,
    "salt": str,
}


def check_counts(manifest: dict[str, Any]) -> None:
    """Raise unless the numbers of people, items and rounds can be true.

    Raises:
        DamagedRun: They cannot.
    """
    for name, least in (("min_cohort", 1), ("rounds", 1), ("round", 0), ("n_users", 1), ("n_items", 1)):
        if manifest[name] < least:
            raise DamagedRun(f"{name} is {manifest[name]}, expected {least} or more.")
    at, rounds = manifest["round"], manifest["rounds"]
    if at < rounds if manifest["finished"] else at > rounds:  # a refresh goes on after the last round
        raise DamagedRun(f"round is {at} of {rounds}, finished is {manifest['finished']}: these do not agree.")


def algorithm_of(values: dict[str, Any]) -> Algorithm:
    """The algorithm of its plain values.

    Raises:
        DamagedRun: They are none.
    """
    check_fields(values, {"name": str, "options": dict[str, Any]}, "algorithm")
    row = ALGORITHMS.get(values["name"])
    if row is None:
        raise DamagedRun(f"algorithm: got '{values['name'][:60]}', expected one of {', '.join(ALGORITHMS)}.")
    return algorithm(row.name, check_values(row.cls, values["options"], "algorithm, options"))


def choice_of(made: Algorithm, values: dict[str, float] | None) -> Choice | None:
    """What was chosen, of its plain values.

    Raises:
        DamagedRun: They are none.
    """
    if values is None or made.choice is None:
        return choice_from(made, values)
    for name, value in check_values(made.choice, values, "chosen").items():
        if value < 0 or (value == 0 and name in ("reg", "neighbours")):
            raise DamagedRun(f"chosen: {name} is {value}, expected it above 0.")
    return choice_from(made, values)


def certificate_of(made: Algorithm, values: dict[str, Any] | None) -> Certificate | None:
    """A certificate of its plain values.

    Raises:
        DamagedRun: They are none.
    """
    if values is None:
        return None
    if not isinstance(made, Certifying):
        raise DamagedRun(f"certificate: there is one, but '{made.name}' has none.")
    check_fields(values, _CERTIFICATE, "certificate")
    if values["updates"] < 0 or values["tolerance"] < 0:
        raise DamagedRun("certificate: updates and tolerance have to be 0 or more.")
    return Certificate.from_dict(values)


def keeping_of(values: dict[str, Any]) -> Keeping:
    """What is recorded, of its plain values.

    Raises:
        DamagedRun: They are none.
    """
    if values.get("name") == Nothing.name:
        check_fields(values, {"name": str}, "keep")
        return Nothing()
    check_fields(values, {"name": Literal[Snapshots.name], "count": int}, "keep")  # type: ignore[valid-type]
    return Snapshots(values["count"])


def keep_values(keep: Keeping) -> dict[str, Any]:
    """The plain values of what is recorded."""
    return {"name": keep.name, "count": keep.count} if isinstance(keep, Snapshots) else {"name": keep.name}
