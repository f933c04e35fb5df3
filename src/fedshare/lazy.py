"""Names that load when they are used: registries know where a class lives without importing it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["at"]


def at(home: str) -> Any:
    """What stands at ``package.module:Name``.

    Example:
        >>> at("fedshare.errors:BadOption").__name__
        'BadOption'
    """
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)
