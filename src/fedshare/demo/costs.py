"""What the demo's main part cost, beside what two published methods would have kept of the same training."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from fedshare.algorithms.fedshare.algorithm import FedShare
from fedshare.cost import federaser_bytes, fru_bytes
from fedshare.federation.messages import INDEX_BYTES, VALUE_BYTES

if TYPE_CHECKING:
    from fedshare.cost import Cost
    from fedshare.demo.context import DemoContext
    from fedshare.demo.figures import WithdrawalCosts
    from fedshare.simulation.run import Run

__all__ = ["withdrawal_costs"]


class _TrainingSize(TypedDict):
    """What the formulas of FedEraser and FRU take."""

    rounds: int
    clients_per_round: int
    rows_per_client: int
    embedding_size: int


def withdrawal_costs(context: DemoContext, run: Run, unlearning: Cost, retraining: Cost) -> WithdrawalCosts:
    """Time, bytes moved and bytes kept.

    Args:
        context: Data, seed and rounds.
        run: The trained FedShare run.
        unlearning: What unlearning cost.
        retraining: What the reference cost.
    """
    algorithm, cost, known = run.algorithm, run.cost, context.known
    assert isinstance(algorithm, FedShare)
    size = _training_size(algorithm, run, known.n_users)
    return {
        "train_cpu_s": cost.cpu_s,
        "unlearn_cpu_s": unlearning.cpu_s,
        "unlearn_wall_s": unlearning.wall_s,
        "retrain_cpu_s": retraining.cpu_s,
        "retrain_wall_s": retraining.wall_s,
        "kept_bytes": cost.kept_bytes_server,
        "kept_bytes_per_device": cost.kept_bytes_per_device,
        "model_bytes": (known.n_users + known.n_items) * algorithm.embedding_size * VALUE_BYTES,
        "federaser_bytes": federaser_bytes(**size),
        "fru_bytes": fru_bytes(**size),
        "fru_bytes_per_device": fru_bytes(**size) // known.n_users,
        "rounds": run.rounds,
        "bytes_up_per_round": cost.bytes_up_per_client / run.rounds,
        "bytes_down_per_round": cost.bytes_down_per_client / run.rounds,
    }


def _training_size(algorithm: FedShare, run: Run, n_users: int) -> _TrainingSize:
    takes_part = max(1, round(algorithm.participation * n_users))
    moved_rows = run.cost.bytes_up_per_client * n_users / (INDEX_BYTES + algorithm.embedding_size * VALUE_BYTES)
    return {
        "rounds": run.rounds,
        "clients_per_round": takes_part,
        "rows_per_client": round(moved_rows / (run.rounds * takes_part)),
        "embedding_size": algorithm.embedding_size,
    }
