"""The style of all pictures: sizes, colours, each model's look."""

from typing import Any

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap, to_hex

from ntm_tutorial.models import FAMILIES

WIDTH = 7.0
"""Width of a full figure in inches; at 100 dpi it fills a page of 700 pixels."""

PAPER, INK, FAINT, MARK = "#fcfbf8", "#23272f", "#8b8f98", "#d7263d"
"""Background, text, lesser text and lines, and whatever a reader should look at."""

SHADE = "#e9e5d8"
"""Behind a training range, and where there is nothing to show."""

COLOURS = {name: row.colour for name, row in FAMILIES.items()}
"""The models, told apart by hue and by lightness."""

MARKERS = {name: row.marker for name, row in FAMILIES.items()}
"""And by the shape of their points; ``look_of`` gives their lines."""

LABELS = {name: row.label for name, row in FAMILIES.items()}
"""What a picture calls them."""

READ, WRITE = "#0072b2", "#d55e00"
"""What is read, and what is written."""

OTHERS = ("#009e73", "#8f4f9f", "#b08900", "#23272f")
"""Colours for whatever else is compared."""

CYANS = ("#b3eeff", "#70c3e3", "#2687b8", "#0e4a80", "#00224e")
SIGNED = LinearSegmentedColormap.from_list(
    "signed", [*CYANS, *(to_hex(mpl.colormaps["cividis"](level / 4)) for level in range(1, 5))]
)
"""Cividis with a second arm below zero, as light at -1 as cividis is at 1."""

STYLE: dict[Any, Any] = {
    "axes.edgecolor": FAINT,
    "axes.facecolor": PAPER,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": PAPER,
    "figure.titlesize": 11,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 9,
    "grid.color": "#e2e0da",
    "image.aspect": "auto",
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "savefig.dpi": 100,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}
"""Settings of matplotlib."""


def use_style(*, sharp: bool = False) -> None:
    """Set the book's style for every figure that follows.

    In a notebook it also keeps figures at the size they were made, so that they are the same size
    everywhere; notebooks otherwise trim the margins.

    Args:
        sharp: in a notebook, draw with twice the pixels, for screens that have them.
    """
    mpl.rcParams.update(STYLE)
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("retina" if sharp else "png", bbox_inches=None)


def look_of(name: str, place: int) -> dict[str, Any]:
    """Choose colour, marker and name for a model, or for whatever else is compared."""
    return {
        "color": COLOURS.get(name, OTHERS[place % len(OTHERS)]),
        "marker": MARKERS.get(name, "o"),
        "linestyle": FAMILIES[name].dash if name in FAMILIES else "-",
        "label": LABELS.get(name, name),
    }
