"""Finished rows in a file, so that a comparison that was interrupted goes on behind the last of them.

One line of JSON for each row, with the key of the settings that it was measured with. Rows of other settings stay in
the file and are left alone.

Settings name the data by a digest of all pairs, and people hand such files on: so what stands in the file is an HMAC
under a secret in a file beside it, which only the account that wrote it can read. Without the secret no guess of a pair
can be tested; whoever has lost it measures again.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from pathlib import Path
from typing import BinaryIO

from fedshare.experiments.rows import Row
from fedshare.files import atomic_file

__all__ = ["StoredRows"]

_SECRET_BYTES = 32


class StoredRows:
    """Rows by the key of their settings.

    Args:
        path: The file; it need not be there yet. None keeps the rows in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, Row] = {} if path is None or not path.exists() else _read(path)
        self._secret = _secret_beside(path) if path is not None and self._rows else b""

    def get(self, key: str) -> Row | None:
        """The row of these settings; None where it is not finished."""
        return self._rows.get(self._hidden(key))

    def add(self, key: str, row: Row) -> None:
        """Keep a finished row; it is on disk when this returns."""
        if self._path is None:
            self._rows[self._hidden(key)] = row
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._secret = _secret_beside(self._path)  # only now: what finishes no row leaves nothing behind
        self._rows[self._hidden(key)] = row
        _append(self._path, json.dumps({"key": self._hidden(key), "row": row}, ensure_ascii=False))

    def _hidden(self, key: str) -> str:
        return hmac.digest(self._secret, key.encode(), "sha256").hex()


def _secret_beside(path: Path) -> bytes:
    file = path.with_suffix(".secret")
    if not file.exists() or file.stat().st_size < _SECRET_BYTES:
        with atomic_file(file) as draft:
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(_SECRET_BYTES))
    return file.read_bytes()


def _read(path: Path) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            rows[entry["key"]] = entry["row"]
        except (ValueError, KeyError, TypeError):  # the line that was being written when the machine stopped
            continue
    return rows


def _append(path: Path, line: str) -> None:
    with path.open("a+b") as file:
        torn = file.seek(0, os.SEEK_END) > 0 and not _ends_line(file)
        file.write(("\n" * torn + line + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
