"""Pictures for the book: one function per kind of figure, one style for all.

Every function takes tensors as the rest of the package makes them, and returns a matplotlib
``Figure``. Time runs to the right; channels and memory locations run down. Dark is nothing: bits,
probabilities and weightings are drawn in *cividis*, from dark 0 to yellow 1; signed values in
``SIGNED``, which goes on below zero from dark to cyan. Both maps are perceptual, and the
colour-blind can read them.
"""

from ntm_tutorial.plots.answers import episode, repeat_copies, sequence, targets_and_outputs
from ntm_tutorial.plots.explorers import Tape, addressing_stages, png, timeline
from ntm_tutorial.plots.machine import (
    Frame,
    instructions,
    matrices,
    memory_use,
    recall_steps,
    used_locations,
    weighting_bars,
)
from ntm_tutorial.plots.maps import strip_map
from ntm_tutorial.plots.ngrams import Excerpt, along, predictions, visits
from ntm_tutorial.plots.results import (
    by_difficulty,
    by_repetition,
    curve_panels,
    difficulty_maps,
    learning_curves,
    strips,
    trainings,
)
from ntm_tutorial.plots.sorting import fitted_locations, sorting
from ntm_tutorial.plots.style import (
    COLOURS,
    FAINT,
    INK,
    LABELS,
    MARK,
    MARKERS,
    OTHERS,
    PAPER,
    SHADE,
    SIGNED,
    WIDTH,
    use_style,
)

__all__ = [
    "COLOURS",
    "FAINT",
    "INK",
    "LABELS",
    "MARK",
    "MARKERS",
    "OTHERS",
    "PAPER",
    "SHADE",
    "SIGNED",
    "WIDTH",
    "Excerpt",
    "Frame",
    "Tape",
    "addressing_stages",
    "along",
    "by_difficulty",
    "by_repetition",
    "curve_panels",
    "difficulty_maps",
    "episode",
    "fitted_locations",
    "instructions",
    "learning_curves",
    "matrices",
    "memory_use",
    "png",
    "predictions",
    "recall_steps",
    "repeat_copies",
    "sequence",
    "sorting",
    "strip_map",
    "strips",
    "targets_and_outputs",
    "timeline",
    "trainings",
    "use_style",
    "used_locations",
    "visits",
    "weighting_bars",
]
