"""A server's program carried out among simulated devices, and what that cost."""

from __future__ import annotations

from dataclasses import replace

from fedshare.cost import Cost, CpuClock, peak_mib
from fedshare.federation.metering import Metered
from fedshare.federation.orders import Program, carry_out
from fedshare.federation.payload import array_bytes
from fedshare.sharing.ledger import Ledger
from fedshare.sharing.request import Request
from fedshare.simulation.run import Run
from fedshare.training.server_run import ServerRun

__all__ = ["carried_out"]


def carried_out(run: Run, ledger: Ledger, program: Program[ServerRun], method: str, request: Request | None) -> Run:
    """The run that a program leads to.

    Args:
        run: Where it starts, with a device for everybody in ``ledger``.
        ledger: What people know and share when it is carried out.
        program: What the server does, and asks of devices.
        method: What the run says has made it.
        request: What is being withdrawn, if devices are asked about it.
    """
    population = run.devices.population(ledger, request=request)
    devices, clock, n_users = Metered(population), CpuClock(), ledger.known.n_users
    with clock:
        server = carry_out(program, devices, run.min_cohort)
        released = server.release()
    cost = Cost(
        cpu_s=clock.cpu_s,
        wall_s=clock.wall_s,
        rounds=devices.rounds,
        bytes_up_per_client=devices.bytes_up / n_users,
        bytes_down_per_client=devices.bytes_down / n_users + array_bytes(released.arrays),
        kept_bytes_server=server.kept_bytes,
        kept_bytes_per_device=0,
        peak_mib=peak_mib(),
    )
    of_devices = replace(run.devices, ledger=ledger, private=population.private, released=released)
    return Run(server, of_devices, cost, method)
