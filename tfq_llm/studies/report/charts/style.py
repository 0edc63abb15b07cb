"""How charts look: little ink, colours that colour-blind readers can tell apart, the same file for the same numbers."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDE, NARROW = 7.5, 3.7  # inches: a page, and a telephone
# The HTML page gives these, and the first two colours, other values in the dark.
INK, FAINT, PAGE = "#1f2933", "#7b8794", "#fefefe"

# Okabe and Ito's colours, which differ in lightness too, and shapes, so that no series is told by its colour alone.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7b8794")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", "-", "--", "-.")

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and scaled
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a name with two dollar signs is a name
    "axes.unicode_minus": True,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
}


def styled(salt: str = "") -> Any:
    """A context in which figures are made and saved; `salt` keeps the names inside of two files apart."""
    return rc_context({**_STYLE, "svg.hashsalt": f"tfq-llm {salt}"})


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def grid_of_axes(width: float, panels: int, panel_width: float, panel_height: float) -> tuple[Figure, list[Axes]]:
    """A figure with as many panels in a row as fit into its width, and their axes in order, sharing the vertical scale."""
    columns = max(1, min(panels, int(width / panel_width)))
    lines = -(-panels // columns)
    figure = new_figure(width, lines * panel_height)
    axes = list(figure.subplots(lines, columns, squeeze=False, sharey=True).flat)
    for unused in axes[panels:]:
        unused.remove()
    return figure, axes[:panels]


def is_narrow(width: float) -> bool:
    """Whether a figure is for a telephone."""
    return width < (WIDE + NARROW) / 2


def shortened(label: str, most: int) -> str:
    """At most so many characters; the whole name stands in the chart's table."""
    return label if len(label) <= most else label[: most - 1] + "…"


def panel_title(label: str) -> str:
    """Of a small panel: what comes behind the first comma of a long name, such as its noise or shots, is a line of its own."""
    first, comma, rest = label.partition(", ")
    return shortened(label, 21) if len(label) <= 21 or not comma else f"{shortened(first, 21)}\n{shortened(rest, 21)}"
