"""Chapter 4: one head, Equations 5 to 9."""

import ipywidgets
import torch
from torch import Tensor

from ntm_tutorial import addressing, plots
from ntm_tutorial.widgets.explorer import Drawing, Explorer, make_control, make_slider, paragraphs

MEMORY = torch.tensor(
    [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [-1, 0, 1], [-1, 0, 0], [0, -1, 1], [1, 1, 1]]
).float()
"""The small memory of ``addressing_explorer``, one row a line."""

KEYS = {
    "1, 1, 0: location 2": (1.0, 1.0, 0.0),
    "1, 0.4, 0: between locations 0 and 2": (1.0, 0.4, 0.0),
    "0, 0, 1: location 3": (0.0, 0.0, 1.0),
    "-1, 0, 0.4: between locations 5 and 4": (-1.0, 0.0, 0.4),
    "0, 0, 0: no direction": (0.0, 0.0, 0.0),
}


def addressing_explorer() -> Explorer:
    """Take a head through Equations 5 to 9, stage by stage, on a memory of 8 rows."""
    where = "Where the head was before the first step"
    again = "Take the same step so many times, each from where the last one ended"
    spread = "Between whole numbers the shift weighting is split between the two neighbours"
    real = ipywidgets.FloatSlider
    controls = {
        "key": make_control(
            ipywidgets.Dropdown, "Key", "What to look up", (1.0, 1.0, 0.0), options=[*KEYS.items()]
        ),
        "key_strength": make_control(
            real, "Key strength", "How much the best match wins", 5.0, min=0.5, max=30.0, step=0.5
        ),
        "start": make_slider("Previous focus", where, 6, 0, len(MEMORY) - 1),
        "gate": make_control(real, "Gate", "1 looks up, 0 stays", 0.7, min=0.0, max=1.0, step=0.05),
        "shift": make_control(real, "Shift", spread, 0.8, min=-1.0, max=1.0, step=0.05),
        "sharpening": make_control(
            real, "Sharpening", "1 changes nothing", 3.0, min=1.0, max=10.0, step=0.25
        ),
        "repeats": make_slider("Steps in a row", again, 1, 1, 20),
    }
    return Explorer(_draw_addressing, controls)


def _draw_addressing(
    key: tuple[float, ...],
    key_strength: float,
    start: int,
    gate: float,
    shift: float,
    sharpening: float,
    repeats: int,
) -> Drawing:
    memory, k = MEMORY[None], torch.tensor(key)[None, None]
    strength, g, gamma = (torch.full((1, 1, 1), x) for x in (key_strength, gate, sharpening))
    s = torch.tensor([max(-shift, 0.0), 1 - abs(shift), max(shift, 0.0)])[None, None]
    final = torch.eye(len(MEMORY))[start][None, None]
    for _ in range(repeats):
        previous = final
        content = addressing.content_weighting(memory, k, strength)
        gated = addressing.interpolate(content, previous, g)
        shifted = addressing.shift(gated, s)
        final = addressing.sharpen(shifted, gamma)
    stages = {
        "previous": previous,
        "content, Eq. 5": content,
        "gated, Eq. 7": gated,
        "shifted, Eq. 8": shifted,
        "sharpened, Eq. 9": final,
    }
    similarity = addressing.cosine_similarity(memory, k)[0, 0]
    figure = plots.addressing_stages(MEMORY, k[0, 0], similarity, stages)
    tops = "; ".join(f"{name}: {_top(weights[0, 0])}" for name, weights in stages.items())
    back, stay, on = s[0, 0].tolist()
    words = [
        f"Largest weight. {tops}.",
        f"Shift weighting: {back:.2f} on −1, {stay:.2f} on 0, {on:.2f} on +1.",
    ]
    numbers = ", ".join(f"{value:.2f}" for value in final[0, 0])
    alt = f"A memory of 8 rows, a key, and five bar charts of weightings. Final: {numbers}."
    return Drawing(figure, f"{alt} {tops}.", paragraphs(words))


def _top(weights: Tensor) -> str:
    weight, location = weights.max(-1)
    if weight - weights.min() < 1e-6:
        return f"{weight:.3f} on every location"
    return f"{weight:.2f} on location {location}"
