"""The program: its commands, its version, and one door for errors.

| exit status | means |
| --- | --- |
| 0 | done |
| 1 | an audit or a verification failed |
| 2 | wrong use, bad input, a saved run that cannot be used, or a place that cannot be written to |
| 70 | a bug; the traceback is on stderr |
| 129, 130, 143 | stopped by SIGHUP, Ctrl-C, SIGTERM |
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from fedshare.cli.audit import audit
from fedshare.cli.compare import compare
from fedshare.cli.console import Interrupted, ends_by_signal, explain
from fedshare.cli.data import data
from fedshare.cli.demo import demo
from fedshare.cli.device import device
from fedshare.cli.erase import erase
from fedshare.cli.log import log
from fedshare.cli.purge import purge
from fedshare.cli.recommend import recommend
from fedshare.cli.refresh import refresh
from fedshare.cli.requests import withdraw
from fedshare.cli.rule import rule
from fedshare.cli.share import share
from fedshare.cli.shares import shares
from fedshare.cli.train import train
from fedshare.cli.unshare import unshare
from fedshare.cli.verify import verify

__all__ = ["app", "run"]

# Idle threads sleep instead of spinning: beside another process, spinning costs many times what it saves. Has to be
# said before torch is loaded, which commands do.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class _Program(TyperGroup):
    """Ends every command with an exit status and, if something went wrong, one line that names it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise Interrupted("stopped; nothing was written.", stop) from None

    def main(self, args: Any = None, prog_name: Any = None, *rest: Any, **extra: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        if not extra.pop("standalone_mode", True):
            return super().main(words, prog_name, *rest, standalone_mode=False, **extra)
        try:
            with ends_by_signal():
                status = super().main(words, prog_name or "fedshare", *rest, standalone_mode=False, **extra)
        except Exception as error:
            status = explain(error, as_json="--json" in words)
        sys.exit(status or 0)


app = typer.Typer(
    cls=_Program,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # paragraphs flow; "rich" keeps the line breaks of docstrings
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Federated recommendation in which people choose what to share, and can take it back.",
    epilog="Exit status: 0 done, 1 failed audit or verification, 2 wrong use or bad input, 130 Ctrl-C, 143 SIGTERM.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fedshare {version('fedshare')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _program(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for command in (
    demo,
    data,
    train,
    recommend,
    shares,
    share,
    rule,
    log,
    unshare,
    erase,
    withdraw,
    refresh,
    purge,
    audit,
    verify,
    compare,
):
    app.command()(command)
app.add_typer(device, name="device")


def run() -> NoReturn:
    """Entry point of the ``fedshare`` program."""
    app()
    raise SystemExit(0)
