"""Moments in time: seconds since 1970-01-01 UTC, from whatever people write."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from numbers import Integral

from fedshare.errors import BadOption

__all__ = ["Moment", "date_text", "seconds_of"]

Moment = int | str | date | datetime
"Seconds since 1970, an ISO date or time such as ``2011-12-01``, or Python's; without a time zone it is UTC."


def seconds_of(moment: object, where: str = "now") -> int:
    """Seconds since 1970; the present for None.

    Raises:
        BadOption: It is no moment.

    Example:
        >>> seconds_of("2011-12-01"), seconds_of("2011-12-01T00:00:00+01:00"), seconds_of(7)
        (1322697600, 1322694000, 7)
    """
    if moment is None:
        return int(time.time())
    if isinstance(moment, Integral) and moment is not True and moment is not False:
        number = int(moment)
        if number < 0:
            raise BadOption(f"{where}: got {number}, expected seconds since 1970, 0 or above.")
        return number
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise BadOption(f"{where}: got {moment[:40]!r}, expected a date such as 2011-12-01.") from None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, datetime):
        raise BadOption(f"{where}: got {type(moment).__name__}, expected seconds since 1970 or a date.")
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1
    if seconds < 0:
        raise BadOption(f"{where}: got {moment}, expected a moment since 1970.")
    return int(seconds)


def date_text(seconds: int) -> str:
    """``2011-12-01``, or with the time of day where it is not midnight."""
    moment = datetime.fromtimestamp(seconds, UTC)
    midnight = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    return moment.date().isoformat() if midnight else moment.replace(tzinfo=None).isoformat()
