"""Training in the simulation: both sides in one process, checkpoints, progress, cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from fedshare.cost import Cost, CpuClock, peak_mib
from fedshare.data.interactions import Interactions
from fedshare.errors import BadOption, TooSmall
from fedshare.federation.metering import Metered
from fedshare.federation.orders import MIN_COHORT, carry_out
from fedshare.federation.payload import Payload, array_bytes
from fedshare.options import instance, whole
from fedshare.progress import Progress
from fedshare.sharing.ledger import Ledger
from fedshare.simulation.device_run import DeviceRun
from fedshare.simulation.engines import Batched, Engine
from fedshare.simulation.memory import check_memory
from fedshare.simulation.run import Run, server_view_of
from fedshare.simulation.update_log import UnsafeUpdateLog, UpdateLog
from fedshare.training.algorithm import Algorithm, Choice, ServerState
from fedshare.training.history import Keeping, Nothing
from fedshare.training.loop import RoundInfo, all_rounds, start
from fedshare.training.server_run import ServerRun
from fedshare.training.server_side import Catalogue, ServerSide
from fedshare.unlearning.registry import keeping_for

__all__ = ["catalogue_of", "resume", "train"]


def train(
    algorithm: Algorithm,
    ledger: Ledger,
    *,
    rounds: int = 60,
    seed: int = 0,
    engine: Engine | None = None,
    keep: Keeping | UnsafeUpdateLog | None = None,
    min_cohort: int = MIN_COHORT,
    device: str = "cpu",
    chosen: Choice | None = None,
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
        keep: What is recorded for later unlearning; without, what the algorithm's own method needs.
        min_cohort: People who have to stand behind every answer of devices. Lower ones are named in manifest, report
            and output.
        device: Torch device.
        chosen: What an earlier run chose on validation: used, not chosen again.
        progress: Called after each round.
        checkpoint: Folder that holds the last complete state while training, for :func:`resume`.
        checkpoint_every: Rounds between two checkpoints.
        test: Held-out pairs that the run carries along, for a later audit; training never reads them.

    Raises:
        BadOption: ``rounds``, ``seed`` or ``min_cohort`` out of range, an argument of another kind, vectors that cannot
            fit into memory, a device that is not there, or single uploads asked for together with checkpoints.
        CohortTooSmall: Fewer people than ``min_cohort`` would stand behind an answer.
        TooSmall: Fewer than two people or two items.
    """
    hint = "Write fs.train(fs.FedShare(), ledger)."
    instance("algorithm", algorithm, Algorithm, "an algorithm, such as fs.FedShare()", hint=hint)
    instance("ledger", ledger, Ledger, "a ledger", hint="Make one with fs.share(known, fs.ShareFraction(0.4)).")
    if test is not None:
        instance("test", test, Interactions, "interactions, or None", hint="Take them from a split.")
    if engine is not None:
        instance("engine", engine, Engine, "an engine, or None", hint="Write engine=fs.Batched().")
    if keep is not None and not isinstance(keep, UnsafeUpdateLog):
        instance("keep", keep, Keeping, "what to record, or None", hint="Write keep=fs.Snapshots(4) or fs.Nothing().")
    whole("rounds", rounds, 1)
    whole("seed", seed)
    whole("min_cohort", min_cohort, 1)
    _check_training(device, checkpoint_every)
    if ledger.known.n_users < 2 or ledger.known.n_items < 2:
        raise TooSmall(
            f"training needs at least 2 users and 2 items, got {ledger.known.n_users} and {ledger.known.n_items}. "
            "Load more data."
        )
    check_memory(algorithm, ledger)
    log = UpdateLog() if isinstance(keep, UnsafeUpdateLog) else None
    if log is not None and checkpoint is not None:
        raise BadOption("keep: single uploads are never written to disk, expected no checkpoint beside them.")
    server = ServerRun(
        algorithm=algorithm,
        view=server_view_of(algorithm, ledger),
        catalogue=catalogue_of(ledger),
        seed=seed,
        rounds=1 if algorithm.closed_form else rounds,
        state=ServerState(chosen=chosen),
        keep=Nothing() if isinstance(keep, UnsafeUpdateLog) else keep or keeping_for(algorithm),
        min_cohort=min_cohort,
        finished=False,
    )
    side = server.side(device)
    with torch.no_grad():
        server = start(server, side)
    devices = DeviceRun(
        ledger, algorithm.task(), test=test, engine=engine or Batched(), device=device, min_cohort=min_cohort
    )
    run = Run(server, devices, Cost(cpu_s=0.0, wall_s=0.0), update_log=log)
    return _go_on(run, side, progress, checkpoint, checkpoint_every)


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
    _check_training(device, checkpoint_every)
    run = Run.load(checkpoint, engine=engine, device=device)
    if run.finished:
        return run
    return _go_on(run, run.server.side(device), progress, checkpoint, checkpoint_every)


def catalogue_of(ledger: Ledger) -> Catalogue:
    """The items that devices know, with what is said of them."""
    known = ledger.known
    ids = known.items.ids
    return Catalogue(
        ids,
        tuple(known.titles.get(item) for item in ids),
        tuple(known.categories.get(item) for item in ids) if known.categories else (),
        frozenset(known.items.index(item) for item in ledger.retired),
    )


def _go_on(
    run: Run,
    side: ServerSide,
    progress: Progress | None,
    checkpoint: Path | str | None,
    checkpoint_every: int,
) -> Run:
    population = run.devices.population(observer=run.update_log)
    devices, clock, aside = Metered(population), CpuClock(), CpuClock()
    begun_at, n_users = run.server.state.round, population.n_users

    def so_far(server: ServerRun, released: Payload) -> Run:
        spent = Cost(
            cpu_s=clock.cpu_s - aside.cpu_s,
            wall_s=clock.wall_s - aside.wall_s,
            rounds=server.state.round - begun_at,
            bytes_up_per_client=devices.bytes_up / n_users,
            bytes_down_per_client=devices.bytes_down / n_users + array_bytes(released.arrays),
            kept_bytes_server=server.kept_bytes,
            kept_bytes_per_device=0,
            peak_mib=peak_mib(),
        )
        of_devices = replace(run.devices, private=population.private, released=released)
        return replace(run, server=server, devices=of_devices, cost=run.cost + spent)

    def after_round(server: ServerRun, info: RoundInfo) -> None:
        number = server.state.round
        with aside:  # neither writing nor telling is a cost of training
            if checkpoint is not None and (number % checkpoint_every == 0 or number == server.rounds):
                so_far(server, Payload()).save(checkpoint, replace=True)
            if progress is not None:
                progress(number, server.rounds, str(info))

    with clock:
        server = carry_out(all_rounds(run.server, side, after_round), devices, run.min_cohort)
        released = server.release(side)
    return so_far(server, released)


def _check_training(device: str, checkpoint_every: int) -> None:
    whole("checkpoint_every", checkpoint_every, 1)
    instance("device", device, str, "the name of a torch device", hint="Such as 'cpu'.")
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise BadOption(f"device: got '{device}', expected the name of a torch device, such as 'cpu'.") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise BadOption(f"device: got '{device}', but there is no CUDA device here. Use 'cpu'.")
