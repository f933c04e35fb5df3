"""JSON files that name their own digest, read without trust.

Whatever a file holds, reading it takes little memory and ends in an object of plain values or in a named error: its
size and the depth of its nesting are bounded, numbers are finite, and no name stands there twice. ``digest`` is over
all the rest in one canonical form, so that an edited value is noticed. It is no signature: who can write the file can
write another digest.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from fedshare.errors import DamagedRun, MissingFile

__all__ = ["digest_of", "file_bytes", "read_sealed", "sealed"]

_MOST_BYTES = 4 * 2**20
_DEEPEST = 12


def sealed(content: Mapping[str, Any]) -> str:
    """The text of a JSON file: the content and its digest."""
    return json.dumps({**content, "digest": digest_of(content)}, indent=2, allow_nan=False) + "\n"


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of everything but ``digest``, in canonical form: sorted names, no spaces, ASCII."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(b"fedshare manifest 1\n" + text.encode()).hexdigest()


def read_sealed(file: Path, what: str) -> dict[str, Any]:
    """An object of plain values; whether its digest fits is for :func:`digest_of` to say, once its format is known.

    Args:
        file: The file.
        what: What the folder is called in messages.

    Raises:
        MissingFile: It is not there.
        DamagedRun: It is no such file.
    """
    try:
        text = file_bytes(file, _MOST_BYTES).decode()
        content = json.loads(text, parse_constant=_no_number, object_pairs_hook=_distinct)
        if not isinstance(content, dict) or _depth(content) > _DEEPEST:
            raise ValueError(f"expected an object, nested {_DEEPEST} deep at most")
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(
            f"{what} '{file.parent}': no {file.name} there. Expected a folder that fedshare wrote."
        ) from None
    except (ValueError, OSError, RecursionError) as error:
        raise DamagedRun(
            f"{what} '{file.parent}': {file.name} cannot be read ({str(error)[:200]}). Restore it from a copy."
        ) from error
    return content


def file_bytes(file: Path, most: int) -> bytes:
    """What is in a regular file.

    Args:
        file: The file; a link, a pipe or a folder is none.
        most: Bytes that it may have.

    Raises:
        OSError: It is not there, or may not be read.
        ValueError: It is no regular file, or larger.
    """
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{file.name} is no regular file")
    if found.st_size > most:
        raise ValueError(f"{file.name} has {found.st_size} bytes, at most {most} were expected")
    return file.read_bytes()


def _depth(content: object) -> int:
    depth, level = 0, [content]
    while level and depth <= _DEEPEST:
        depth += 1
        inside = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for values in inside for each in values]
    return depth


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
