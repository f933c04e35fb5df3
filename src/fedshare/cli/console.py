"""What all commands have in common: results on stdout, everything else on stderr.

With ``--json`` stdout gets exactly one object, a result or an error. Progress bars appear on stderr, if that is a
terminal, for whatever takes longer than a second.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from fedshare.errors import AuditFailed, BadOption, FedShareError
from fedshare.options import shortened, visible

__all__ = [
    "Interrupted",
    "Json",
    "Output",
    "Progress",
    "Quiet",
    "Stopped",
    "Threads",
    "count",
    "ends_by_signal",
    "explain",
    "figure",
    "seconds",
    "stop_between_rounds",
    "table",
    "tell",
    "write_json",
]

_PANEL = "Everywhere"
_LONGEST = 2000  # characters of a message: more is no help, and may be somebody's data
_PATIENCE_S = 1.0  # what is over sooner needs no bar

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.", rich_help_panel=_PANEL)
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", help="Threads of the numerical library; as many as it likes without.", rich_help_panel=_PANEL
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.", rich_help_panel=_PANEL)]

Progress = Callable[..., None]
"Called with how much is done, how much there is to do and, maybe, what is known of the round or is being done."


class Stopped(KeyboardInterrupt):
    """A signal that asks the program to end; handled like Ctrl-C, which is one of them.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupted(Exception):
    """Ctrl-C, or another signal that asks the program to end.

    Args:
        message: Says what is left.
        by: What interrupted.
    """

    def __init__(self, message: str, by: BaseException | None = None) -> None:
        super().__init__(message)
        self.status = 128 + (by.number if isinstance(by, Stopped) else signal.SIGINT)


class Output:
    """Where one call of a command writes to.

    Args:
        as_json: Whether stdout gets one JSON object instead of text.
        quiet: Whether progress stays away.
        threads: Of torch; None leaves it alone.

    Raises:
        BadOption: ``threads`` is below 1.
    """

    def __init__(self, as_json: bool, quiet: bool = False, threads: int | None = None) -> None:
        self.as_json = as_json
        self._shows_progress = not quiet and sys.stderr.isatty()
        if threads is not None:
            _set_threads(threads)

    def result(self, content: Mapping[str, Any], *parts: Any) -> None:
        """Print a result: ``content`` as JSON, or ``parts``, text and tables, for people."""
        if self.as_json:
            print(as_json_text(content))
            return
        from rich.console import Console

        # a pipe has no width: tables are as wide as they need to be, and nothing is cut
        width = None if sys.stdout.isatty() else 240
        console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)
        for part in parts:
            console.print(_lines(part) if isinstance(part, str) else part)

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """A bar for what the block does; the block may call it, or leave it turning."""
        if not self._shows_progress:
            yield _no_progress
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=4,  # drawing costs CPU time, which is measured
        )
        task = bars.add_task(visible(what), total=None)
        lock, over = threading.Lock(), threading.Event()

        def appear() -> None:
            with lock:
                if not over.is_set():
                    bars.start()

        def advance(done: int, total: int | None, info: Any = None) -> None:
            loss = getattr(info, "loss", 0.0)
            now = info if isinstance(info, str) else f"{what}, loss {loss:,.4g}" if loss else what
            bars.update(task, completed=done, total=total, description=visible(now))

        timer = threading.Timer(_PATIENCE_S, appear)
        timer.daemon = True
        timer.start()
        try:
            yield advance
        finally:
            timer.cancel()
            with lock:
                over.set()
                bars.stop()


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, left: int = 1) -> Any:
    """A table for people; the first ``left`` columns are text, the others numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        made.add_column(Text(visible(column)), justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        made.add_row(*(Text(visible(cell if isinstance(cell, str) else figure(cell))) for cell in row))
    return made


def figure(value: object) -> str:
    """A number as people read it; a dash for one that is not there."""
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def count(number: int, noun: str) -> str:
    """``1 pair``, ``2 pairs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def seconds(value: float) -> str:
    """A duration with as many digits as it deserves."""
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s" if value < 120 else f"{value / 60:.1f} min"


def as_json_text(content: Mapping[str, Any]) -> str:
    """One JSON object. ASCII, since nobody knows the encoding of the pipe; no NaN, which is not JSON."""
    return json.dumps(_plain(content), indent=2, allow_nan=False)


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """The same as a file, whole or not there."""
    from fedshare.files import atomic_file

    with atomic_file(path) as draft:
        draft.write_text(as_json_text(content) + "\n", encoding="utf-8")


_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"Signals that ask a program to end, beside Ctrl-C."


@contextmanager
def ends_by_signal() -> Iterator[None]:
    """Have the signals that ask a program to end raise :class:`Stopped`, so that nothing is left half done.

    Those that are ignored on purpose (``nohup``), or handled already, stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _ENDINGS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _raise_stopped)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def stop_between_rounds() -> Iterator[Callable[[], None]]:
    """Make Ctrl-C and its like wait for the end of a round; a second one does not wait.

    Yields:
        A function to call between two rounds; it raises ``KeyboardInterrupt`` once there was a signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    seen: list[int] = []
    # those that are not ours to handle, or ignored on purpose, stay as they are
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDINGS)}
    ours = {number: old for number, old in before.items() if old in (signal.default_int_handler, _raise_stopped)}

    def restore() -> None:
        for number, old in ours.items():
            signal.signal(number, old)

    def wait(number: int, frame: object) -> None:
        seen.append(number)
        restore()
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        # print is not reentrant
        os.write(2, f"\n{name}: stopping after this round; once more to stop at once.\n".encode())

    def check() -> None:
        if seen:
            raise KeyboardInterrupt if seen[0] == signal.SIGINT else Stopped(seen[0])

    for number in ours:
        signal.signal(number, wait)
    try:
        yield check
        check()
    finally:
        restore()


def _raise_stopped(number: int, frame: object) -> None:
    raise Stopped(number)


def explain(error: BaseException, as_json: bool) -> int:
    """Tell about an error, by name and without a traceback unless it is a bug.

    Returns:
        The exit status: 1 failed audit, 2 wrong use or input, 128 and the number of a signal, 70 a bug.
    """
    name, message, status = _told(error)
    message = shortened(message, _LONGEST)
    if as_json:
        print(as_json_text({"error": {"type": name, "message": message}}))
    if status == 70:
        traceback.print_exception(error)
    tell(f"{name}: {message}")
    return status


def tell(text: str) -> None:
    """A line on stderr, harmless to the terminal."""
    print(_lines(text), file=sys.stderr)


def _told(error: BaseException) -> tuple[str, str, int]:
    name = type(error).__name__
    if isinstance(error, FedShareError):
        return name, str(error), 1 if isinstance(error, AuditFailed) else 2
    if isinstance(error, Interrupted):
        return name, str(error), error.status
    if hasattr(error, "format_message"):  # typer's own, whichever click it brings along
        context = getattr(error, "ctx", None)
        hint = f" Try '{context.command_path} --help'." if context is not None else ""
        return name, error.format_message() + hint, 2  # type: ignore[attr-defined]
    if isinstance(error, OSError):
        place = f"'{error.filename}': " if error.filename else ""
        reason = error.strerror or str(error)
        return name, f"{place}{reason}; expected a place that can be read and written. Check path, rights and space.", 2
    if isinstance(error, typer.Abort):
        return "Interrupted", "stopped.", 130
    return name, f"{error} (this is a bug of fedshare; please report it with the lines above)", 70


def _set_threads(threads: int) -> None:
    if threads < 1:
        raise BadOption(f"threads: got {threads}, expected 1 or more.")
    import torch

    torch.set_num_threads(threads)


def _lines(text: str) -> str:
    """Text of several lines with everything but the line breaks escaped that a terminal would obey."""
    return "\n".join(map(visible, text.split("\n")))


def _no_progress(*_: object) -> None:
    """For whom nobody watches."""


def _plain(value: Any) -> Any:
    """What JSON has a word for; numbers that are none become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
