"""What a reader has to say beside the data: how it was understood, and what it left out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from fedshare.data.readers.wording import bounded, place
from fedshare.errors import DataWarning

__all__ = ["Notes"]


@dataclass
class Notes:
    """Sentences in the order in which they came up, none twice.

    ``say`` is for what a person may like to know, ``warn`` for what may make the data other than they think.
    """

    _texts: dict[str, bool] = field(default_factory=dict[str, bool])

    def say(self, text: str) -> None:
        """A remark."""
        self._texts.setdefault(bounded(text), False)

    def warn(self, text: str) -> None:
        """A remark that is also a ``DataWarning`` in Python."""
        self._texts[bounded(text)] = True

    def texts(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._texts)

    def issue(self, name: str, stacklevel: int) -> None:
        """Issue the warnings, as Python's."""
        for text, warns in self._texts.items():
            if warns:
                warnings.warn(f"{place(name)}: {text}", DataWarning, stacklevel=stacklevel + 1)
