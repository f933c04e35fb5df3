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

__all__ = ["StoredRows"]


class StoredRows:
    """Rows by the key of their settings.

    Args:
        path: The file; it need not be there yet. None keeps the rows in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._secret = b"" if path is None else _secret_beside(path)
        self._rows: dict[str, Row] = {} if path is None or not path.exists() else _read(path)

    def get(self, key: str) -> Row | None:
        """The row of these settings; None where it is not finished."""
        return self._rows.get(self._hidden(key))

    def add(self, key: str, row: Row) -> None:
        """Keep a finished row; it is on disk when this returns."""
        key = self._hidden(key)
        self._rows[key] = row
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _append(self._path, json.dumps({"key": key, "row": row}, ensure_ascii=False))

    def _hidden(self, key: str) -> str:
        return hmac.digest(self._secret, key.encode(), "sha256").hex()


def _secret_beside(path: Path) -> bytes:
    file = path.with_suffix(".secret")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_bytes()
    with os.fdopen(handle, "wb") as stream:
        secret = secrets.token_bytes(32)
        stream.write(secret)
    return secret


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
