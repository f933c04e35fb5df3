"""Single uploads, written down: unsafe, and only possible where devices are simulated.

Methods such as FedEraser (Liu et al., IWQoS 2021) and FRU (Yuan et al., arXiv 2210.10958) unlearn from logs of what
each device uploaded. A server behind a secure sum never has these: one upload gives a whole history away. The log
exists here so that those methods can be compared with. It is held in memory and never written to disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, final

from torch import Tensor

from fedshare.federation.payload import array_bytes
from fedshare.federation.uploads import Rows, Uploads

__all__ = ["Logged", "UnsafeUpdateLog", "UpdateLog"]


@final
@dataclass(frozen=True)
class UnsafeUpdateLog:
    """``train(..., keep=UnsafeUpdateLog())`` records every device's every upload, which no real server should have."""

    name: ClassVar[str] = "unsafe-update-log"


class Logged(NamedTuple):
    """What one device uploaded in one round."""

    round: int
    user: str
    rows: dict[str, Tensor]
    "``(n_rows,)`` item numbers of each table's rows."
    values: dict[str, Tensor]
    "``(n_rows, ...)`` of tables, ``(...)`` of arrays."

    @property
    def nbytes(self) -> int:
        return array_bytes(self.rows) + array_bytes(self.values)


@final
@dataclass(eq=False)
class UpdateLog:
    """Everything that devices uploaded, in order. Sums of one round's values are what the server was sent."""

    entries: list[Logged] = field(default_factory=list)

    def saw(self, round_number: int, names: list[str], uploads: Uploads) -> None:
        """See :class:`fedshare.simulation.engines.UploadObserver`."""
        written = {name: part.written_out() for name, part in uploads.parts.items()}
        for index, user in enumerate(names):
            rows = {
                name: part.pattern.columns[
                    int(part.pattern.offsets[index]) : int(part.pattern.offsets[index + 1])
                ].clone()
                for name, part in written.items()
                if isinstance(part, Rows)
            }
            values = {name: part.of_device(index).clone() for name, part in written.items()}
            self.entries.append(Logged(round_number, user, rows, values))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(each.nbytes for each in self.entries)

    def of(self, user: str) -> list[Logged]:
        """One person's uploads, first to last."""
        return [each for each in self.entries if each.user == user]
