"""Ids on the command line: several in a word, or one a line in a file."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from fedshare.errors import BadData, MissingFile

__all__ = ["ID_LIST", "listed_ids", "read_ids"]

ID_LIST = "Ids with commas between them, or @FILE, which has one on each line; may be repeated."


def listed_ids(words: Sequence[str], known: Container[str] = ()) -> list[str]:
    """The ids that some words stand for.

    Args:
        words: Ids with commas between them, or ``@`` and the name of a file.
        known: Ids that exist: a word that is one as it stands, comma or ``@`` and all, is not taken apart.

    Raises:
        MissingFile: There is no such file.
        BadData: It is no text.
    """
    return [each for word in words for each in _ids(word, known)]


def read_ids(path: Path) -> list[str]:
    """The lines of a file; empty ones are passed over.

    Raises:
        MissingFile: There is no such file.
        BadData: It is no text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, IsADirectoryError):
        raise MissingFile(f"file '{path}': there is none; expected a text file with one id on each line.") from None
    except UnicodeDecodeError:
        raise BadData(f"file '{path}': is no text in UTF-8; expected one id on each line. Save it as UTF-8.") from None
    return [line for line in lines if line.strip()]


def _ids(word: str, known: Container[str]) -> Iterator[str]:
    if word in known:
        yield word
    elif word.startswith("@"):
        yield from read_ids(Path(word[1:]))
    else:
        yield from (part.strip() for part in word.split(",") if part.strip())
