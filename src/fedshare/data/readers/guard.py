"""Whatever a parser says about a file becomes one of our errors."""

from __future__ import annotations

import csv
from collections.abc import Generator
from contextlib import contextmanager

import polars as pl

from fedshare.data.readers.wording import place, shown
from fedshare.errors import BadData, EmptyData

__all__ = ["reading"]


@contextmanager
def reading(label: object, form: str) -> Generator[None, None, None]:
    """Turn what polars says about a file into one of our errors.

    polars panics on some damaged files; a ``PanicException`` derives from ``BaseException``, so it is caught here by
    the place it comes from. ``MemoryError`` stands for a size that the file made up.
    """
    try:
        yield
    except pl.exceptions.NoDataError as error:
        raise EmptyData(f"{place(label)}: the file is empty; expected a table of interactions.") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, csv.Error, OverflowError, MemoryError) as error:
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise BadData(
            f"{place(label)}: cannot be read as {form} ({shown(reason, 100)[1:-1]}). Is it whole? Fetch or export "
            "it again."
        ) from error
