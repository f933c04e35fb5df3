"""Bytes that only a passphrase opens.

    magic    16 bytes, ``fedshare-sealed`` and a version, 1
    log2 n    1 byte   of scrypt, 14 to 18: memory is 1024 times 2 to that many bytes
    salt     16 bytes  drawn anew each time
    nonce    12 bytes  likewise
    rest     AES-256-GCM of the content; all of the above is authenticated with it

The key is scrypt of the passphrase in UTF-8, with r = 8 and p = 1. Nothing is unpacked before it is authenticated, and
no file can ask for more than 256 MiB.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fedshare.errors import BadData, BadOption

__all__ = ["SHORTEST", "opened", "sealed"]

SHORTEST = 8
"Characters of a passphrase, at least."
_MAGIC, _VERSION = b"fedshare-sealed", 1
_HEADER = struct.Struct("<15sBB16s12s")
_LEAST, _USUAL, _MOST = 14, 17, 18


def sealed(content: bytes, passphrase: str, *, work: int = _USUAL) -> bytes:
    """Content that only a passphrase opens.

    Args:
        content: It.
        passphrase: 8 characters or more.
        work: log2 of scrypt's n, 14 to 18: what each guess of a passphrase costs.

    Raises:
        BadOption: The passphrase is short, or ``work`` outside its range.
    """
    if len(passphrase) < SHORTEST:
        raise BadOption(
            f"passphrase: got {len(passphrase)} characters, expected {SHORTEST} or more. Take several words."
        )
    if not _LEAST <= work <= _MOST:
        raise BadOption(f"work: got {work}, expected {_LEAST} to {_MOST}.")
    header = _HEADER.pack(_MAGIC, _VERSION, work, os.urandom(16), os.urandom(12))
    return header + _cipher(header, passphrase).encrypt(header[-12:], content, header)


def opened(content: bytes, passphrase: str) -> bytes:
    """What :func:`sealed` was given.

    Raises:
        BadData: It is something else, the passphrase is wrong, or it was changed or cut off.
    """
    header = content[: _HEADER.size]
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise BadData("device export: is no file that fedshare has encrypted; expected one. Export the device again.")
    _, version, work, _, nonce = _HEADER.unpack(header)
    if version != _VERSION:
        raise BadData(
            f"device export: written in version {version} of the format, this fedshare reads version {_VERSION}. "
            "Upgrade fedshare."
        )
    if not _LEAST <= work <= _MOST:
        raise BadData(
            f"device export: asks for 2^{work} KiB of memory, expected 2^{_LEAST} to 2^{_MOST}. It was changed."
        )
    try:
        return _cipher(header, passphrase).decrypt(nonce, content[_HEADER.size :], header)
    except InvalidTag:
        raise BadData(
            "device export: does not open. The passphrase is another one, or the file was changed or cut off; expected "
            "the file and the passphrase of one export."
        ) from None


def _cipher(header: bytes, passphrase: str) -> AESGCM:
    _, _, work, salt, _ = _HEADER.unpack(header)
    key = Scrypt(salt=salt, length=32, n=1 << work, r=8, p=1).derive(passphrase.encode("utf-8", "surrogatepass"))
    return AESGCM(key)
