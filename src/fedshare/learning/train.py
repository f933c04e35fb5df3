"""The training loop: rounds, snapshots, checkpoints, progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fedshare.errors import BadOption, TooSmall
from fedshare.evaluation.cost import Cost, CpuClock, peak_mib
from fedshare.federation.engines import Batched, Engine
from fedshare.learning.algorithm import Algorithm, RoundInfo, State, World
from fedshare.learning.certificate import Certifying
from fedshare.learning.run import Run
from fedshare.learning.snapshots import Snapshots, snapshot_rounds
from fedshare.sharing.ledger import Ledger

if TYPE_CHECKING:
    from fedshare.data.interactions import Interactions

__all__ = ["Progress", "resume", "train"]

Progress = Callable[[int, int, RoundInfo], None]
"Called after each round with its number, the number of rounds and what is known of it."


def train(
    algorithm: Algorithm,
    ledger: Ledger,
    *,
    rounds: int = 60,
    seed: int = 0,
    engine: Engine | None = None,
    snapshots: int = 4,
    device: str = "cpu",
    chosen: Mapping[str, float] | None = None,
    progress: Progress | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 10,
    test: Interactions | None = None,
) -> Run:
    """Train an algorithm on what the ledger allows.

    Args:
        algorithm: Which, with its hyperparameters.
        ledger: Who shares what; devices train on all that is not erased.
        rounds: Rounds; closed forms need one and ignore the rest.
        seed: Names every random number of the run.
        engine: How devices are simulated; changes speed only.
        snapshots: Snapshots kept for unlearning, 0 or more.
        device: Torch device.
        chosen: Numbers that an earlier run chose on validation (``item_item_weight``): used, not chosen again.
        progress: Called after each round.
        checkpoint: Folder that holds the last complete state while training, for :func:`resume`.
        checkpoint_every: Rounds between two checkpoints.
        test: Held-out pairs that the run carries along, for a later audit; training never reads them.

    Raises:
        BadOption: ``rounds``, ``seed`` or ``snapshots`` out of range, or a device that is not there.
        TooSmall: Fewer than two people or two items.
    """
    counts = {"rounds": (rounds, 1), "seed": (seed, 0), "snapshots": (snapshots, 0)}
    _check_options(device, **counts, checkpoint_every=(checkpoint_every, 1))
    if ledger.known.n_users < 2 or ledger.known.n_items < 2:
        raise TooSmall(
            f"training needs at least 2 users and 2 items, got {ledger.known.n_users} and {ledger.known.n_items}. "
            "Load more data."
        )
    rounds = 1 if algorithm.in_one_round else rounds
    world = World(ledger, seed, engine or Batched(), device, rounds)
    with torch.no_grad():
        state = algorithm.start(world)
    state = replace(state, server=state.server.with_numbers(**(chosen or {})))
    run = Run(algorithm, world, rounds, state, Snapshots(), Cost(cpu_s=0.0, wall_s=0.0), test=test)
    return _go_on(run, snapshots, progress, checkpoint, checkpoint_every)


def resume(
    checkpoint: Path | str,
    *,
    engine: Engine | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoint_every: int = 10,
) -> Run:
    """Go on from a checkpoint; ends where uninterrupted training would have ended, to the bit.

    Args:
        checkpoint: Folder that :func:`train` wrote.
        engine: How devices are simulated.
        device: Torch device.
        progress: Called after each round.
        checkpoint_every: Rounds between two checkpoints.

    Returns:
        The finished run; one that was finished already as it is.

    Raises:
        BadOption: ``checkpoint_every`` below 1, or a device that is not there.
        MissingFile: No checkpoint there.
        DamagedRun: A file of it is missing, changed or unreadable.
    """
    _check_options(device, checkpoint_every=(checkpoint_every, 1))
    run = Run.load(checkpoint, engine=engine, device=device)
    if run.finished:
        return run
    return _go_on(run, run.snapshots_wanted, progress, checkpoint, checkpoint_every)


def _go_on(
    run: Run, snapshots: int, progress: Progress | None, checkpoint: Path | str | None, checkpoint_every: int
) -> Run:
    algorithm, world, state, kept = run.algorithm, run.world, run.state, run.snapshots
    keep_after = snapshot_rounds(run.rounds, snapshots)
    sharers = torch.from_numpy(np.flatnonzero(np.diff(world.server_view.offsets))).to(world.device)
    up = down = 0
    clock = CpuClock()

    def so_far(state: State, finished: bool) -> Run:
        spent = Cost(
            cpu_s=clock.cpu_s,
            wall_s=clock.wall_s,
            rounds=state.round - run.state.round,
            bytes_up_per_client=up / world.n_users,
            bytes_down_per_client=down / world.n_users,
            kept_bytes_server=kept.nbytes + state.server.kept_bytes,
            kept_bytes_per_device=0,
            peak_mib=peak_mib(),
        )
        return replace(
            run,
            state=state,
            snapshots=kept,
            cost=run.cost + spent,
            snapshots_wanted=snapshots,
            finished=finished,
        )

    for number in range(state.round + 1, run.rounds + 1):
        with clock:
            state, info = algorithm.step(state, world, number)
            up, down = up + info.bytes_up, down + info.bytes_down
            if number in keep_after and algorithm.keeps_snapshots:
                kept = kept.with_tables_of(state.server, sharers, number, world.server_view.version)
        if checkpoint is not None and (number % checkpoint_every == 0 or number == run.rounds):
            so_far(state, finished=False).save(checkpoint, replace=True)
        if progress is not None:
            progress(number, run.rounds, info)
    with clock:
        state = algorithm.finish(state, world)
        certificate = algorithm.certify(state, world) if isinstance(algorithm, Certifying) else None
    world.forget_clients()
    return replace(so_far(state, finished=True), certificate=certificate)


def _check_options(device: str, **counts: tuple[int, int]) -> None:
    for name, (value, least) in counts.items():
        if value < least:
            raise BadOption(f"{name}: got {value}, expected {least} or more.")
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise BadOption(f"device: got '{device}', expected the name of a torch device, such as 'cpu'.") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise BadOption(f"device: got '{device}', but there is no CUDA device here. Use 'cpu'.")
