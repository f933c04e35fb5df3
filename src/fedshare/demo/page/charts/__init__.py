"""Small charts as inline SVG: lines, densities, dots with a band, bars, and dots on a logarithmic axis.

A chart is drawn for a width in pixels, so that its text keeps its size. A page draws each chart twice, for wide and for
narrow screens. Colours are CSS classes (``ink-1`` and so on), so that a page can choose them for light and dark.
Every chart says in its label what it shows, and marks carry their figures as tooltips.
"""

from fedshare.demo.page.charts.bars import Bar, bar_chart
from fedshare.demo.page.charts.density import density_chart
from fedshare.demo.page.charts.dots import dot_chart
from fedshare.demo.page.charts.line import Level, Series, line_chart
from fedshare.demo.page.charts.log import log_chart
from fedshare.demo.page.charts.marks import Dot

__all__ = [
    "Bar",
    "Dot",
    "Level",
    "Series",
    "bar_chart",
    "density_chart",
    "dot_chart",
    "line_chart",
    "log_chart",
]
