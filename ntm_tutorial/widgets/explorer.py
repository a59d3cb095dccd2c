"""What all explorers share: the box that ties controls to a drawing, and the controls."""

import base64
import html
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import ipywidgets
from matplotlib.figure import Figure

from ntm_tutorial import plots

PANEL = f"background:{plots.PAPER};color:{plots.INK};padding:2px 8px;line-height:1.45"
"""A light ground of its own, so that the picture and the words are readable in dark mode."""

LONGEST = 1000
"""An explorer starts with no more vectors, items or bits: they would take long to draw."""


class Drawing(NamedTuple):
    """What an explorer shows for some settings.

    Attributes:
        figure: the picture.
        alt: what it shows, for a reader who cannot see it.
        words: its numbers, as HTML.
        ends: where a slider ends earlier than it otherwise would: its setting, and the highest
            value that there is.
    """

    figure: Figure
    alt: str
    words: str
    ends: Mapping[str, int] = MappingProxyType({})


class Explorer(ipywidgets.VBox):
    """Controls, a busy sign, a picture and, beside the controls, its numbers in words.

    Attributes:
        draw: makes a ``Drawing`` from the settings, by name.
        controls: widgets with a value, by the setting that they hold.
        busy: says that something is being computed, while it is.
        words: the picture's numbers, or what went wrong.
        picture: the figure.
        wanted: by setting, what the reader chose and the drawing has no place for at the moment.
    """

    def __init__(
        self,
        draw: Callable[..., Drawing],
        controls: dict[str, ipywidgets.Widget],
        row: Sequence[ipywidgets.Widget] | None = None,
    ) -> None:
        """Tie them together; ``row`` holds what is shown, if that is more than the controls."""
        self.draw, self.controls, self.wanted = draw, controls, dict[str, int]()
        self.busy, self.words, self.picture = (ipywidgets.HTML() for _ in range(3))
        self.is_quiet = False
        shown = ipywidgets.Box(row or [*controls.values()], layout={"flex_flow": "row wrap"})
        super().__init__([shown, self.busy, self.words, self.picture])
        for control in controls.values():
            control.observe(self.update, "value")
        self.update()

    def __repr__(self) -> str:
        """Say what to do where there is no kernel to draw it."""
        names = ", ".join(control.description for control in self.controls.values())
        return f"An explorer ({names}). It is alive while its kernel is: run this cell again."

    @property
    def settings(self) -> dict[str, Any]:
        """What the controls are set to."""
        return {name: control.value for name, control in self.controls.items()}

    def update(self, _change: Any = None) -> None:
        """Draw the settings as they are now; say in words what goes wrong."""
        if self.is_quiet:
            return
        self.busy.value = _status("Computing …")
        try:
            drawing = self.draw(**self.settings)
            if self._limit(drawing):  # there is room again for what the reader chose
                drawing = self.draw(**self.settings)
            self.picture.value = _image(drawing)
            self.words.value = _spoken(drawing.words)
        except Exception as error:  # a reader sees a sentence, not a traceback
            kept = "The picture is still that of the last settings that worked."
            self.words.value = _spoken(f"<p><b>{sentence(error)}</b> {kept}</p>")
        finally:
            self.busy.value = _status("")

    def _limit(self, drawing: Drawing) -> bool:
        """Let sliders end where what they choose from ends; the drawing did so already.

        What was chosen beyond the end comes back when there is room for it; tell whether it did.
        """
        is_back, self.is_quiet = False, True
        for name, most in drawing.ends.items():
            control = self.controls[name]
            chosen = now = control.value
            if now == control.max:  # perhaps not by the reader
                chosen = self.wanted.pop(name, now)
            if chosen > most:
                self.wanted[name] = chosen
            control.max = most
            control.value = min(chosen, most)
            is_back |= control.value > now
        self.is_quiet = False
        return is_back


def _status(text: str) -> str:
    """Say it where a screen reader hears it; the line keeps its height when there is nothing."""
    return f'<div role="status" aria-live="polite">{text or "&nbsp;"}</div>'


def _spoken(words: str) -> str:
    return f'<div style="{PANEL}" aria-live="polite">{words}</div>'


def _image(drawing: Drawing) -> str:
    data = base64.b64encode(plots.png(drawing.figure)).decode()
    look = f"min-width:38em;max-width:100%;height:auto;background:{plots.PAPER}"
    image = f'<img alt="{html.escape(drawing.alt)}" style="{look}" src="data:image/png;base64,'
    return f'<div style="overflow-x:auto">{image}{data}"></div>'


def sentence(error: Exception) -> str:
    """Say what went wrong, safely for HTML."""
    text = str(error) or type(error).__name__
    if not isinstance(error, ValueError):
        text = f"{type(error).__name__}: {text}"
    return html.escape(text[:1].upper() + text[1:].rstrip(".") + ".")


def make_control(kind: Any, description: str, tip: str, value: Any, **traits: Any) -> Any:
    """Make a control with a label and a tooltip, which ipywidgets 7 calls by another name."""
    if kind.class_traits().get("continuous_update") is not None:
        traits["continuous_update"] = False
    style = {"description_width": "8.5em"}
    layout = {"width": "min(100%, 26em)"}
    control = kind(value=value, description=description, style=style, layout=layout, **traits)
    setattr(control, "tooltip" if control.has_trait("tooltip") else "description_tooltip", tip)
    return control


def make_slider(
    description: str, tip: str, value: int, low: int, high: int
) -> ipywidgets.IntSlider:
    """Make a slider over whole numbers from ``low`` to ``high``."""
    return make_control(ipywidgets.IntSlider, description, tip, value, min=low, max=high)


def make_button(description: str, tip: str, action: Callable[[], None]) -> ipywidgets.Button:
    """Make a button that does something when it is clicked."""
    layout = {"width": "auto", "flex": "0 0 auto"}  # its words are never cut
    button = ipywidgets.Button(description=description, tooltip=tip, layout=layout)
    button.on_click(lambda _: action())
    return button


def row_of(controls: Mapping[str, ipywidgets.Widget], **beside: Any) -> list[ipywidgets.Widget]:
    """Put buttons next to the controls that they belong to, by the name of the control."""
    return [
        ipywidgets.HBox([control, *beside[name]], layout={"flex_flow": "row wrap"})
        if name in beside
        else control
        for name, control in controls.items()
    ]


def sequence_number() -> tuple[ipywidgets.BoundedIntText, ipywidgets.Button]:
    """Make a number that stands for a random sequence, and a button that goes to the next."""
    tip = "Each number stands for one random sequence; the same number, the same sequence"
    number = make_control(
        ipywidgets.BoundedIntText, "Sequence no.", tip, 0, min=0, max=9999, step=1
    )

    def following() -> None:
        number.value = (number.value + 1) % (number.max + 1)

    return number, make_button("New sequence", "Draw another random sequence", following)


def paragraphs(lines: list[str]) -> str:
    """Turn lines of HTML into paragraphs that stand close together."""
    return "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)


def plain_text(start: str, words: list[str]) -> str:
    """Turn words in HTML into an alternative text."""
    return start + html.unescape(re.sub("<[^>]*>", "", " ".join(words)))
