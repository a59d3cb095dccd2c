"""Explorers: every setting gives a picture and the right numbers; nothing gives a traceback."""

import ast
import base64
import io
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from ntm_tutorial import (
    NTM,
    TASKS,
    LSTMBaseline,
    addressing,
    evaluation,
    plots,
    pretrained,
    widgets,
)
from ntm_tutorial.analysis import fit_writes, right_rows
from ntm_tutorial.evaluation import wrong_bits
from ntm_tutorial.tasks.dynamic_ngrams import optimal_predictions
from ntm_tutorial.tasks.priority_sort import arrange
from ntm_tutorial.widgets.copying import _phase, numbered_episode
from ntm_tutorial.widgets.recalling import _path, numbered_list
from ntm_tutorial.widgets.shelf import _run, tape_at
from tests.each import each

SMALL = {"controller_size": 8, "memory_locations": 12, "memory_width": 4}


def small(task: str = "repeat-copy", seed: int = 0, **settings: Any) -> NTM:
    """Build a small NTM that fits a task."""
    torch.manual_seed(seed)
    return NTM(TASKS[task].input_size, TASKS[task].output_size, **SMALL | settings)


def trio(task: str) -> dict[str, nn.Module]:
    """Build small models that take the places of the three trained ones."""
    sizes = TASKS[task].input_size, TASKS[task].output_size
    return {
        "ntm-feedforward": small(task),
        "ntm-lstm": small(task, controller="lstm"),
        "lstm": LSTMBaseline(*sizes, hidden_size=8, layers=1),
    }


MAKERS: dict[str, Callable[[], widgets.Explorer]] = {
    "addressing": widgets.addressing_explorer,
    "copy": lambda: widgets.copy_explorer(trio("copy"), length=5),
    "repeat-copy": lambda: widgets.repeat_copy_explorer(trio("repeat-copy"), length=3, repeats=4),
    "associative-recall": lambda: widgets.associative_recall_explorer(
        trio("associative-recall"), items=3
    ),
    "ngrams": lambda: widgets.ngrams_explorer(trio("dynamic-ngrams"), "0110100101" * 4),
    "priority-sort": lambda: widgets.priority_sort_explorer(trio("priority-sort")),
}


@pytest.fixture(params=MAKERS)
def explorer(request: pytest.FixtureRequest) -> widgets.Explorer:
    return MAKERS[request.param]()


@pytest.fixture(autouse=True)
def no_figure_leaks() -> Iterator[None]:
    """Explorers leave pyplot alone."""
    plt.close("all")
    yield
    assert plt.get_fignums() == []


def picture(explorer: widgets.Explorer) -> Image.Image:
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', explorer.picture.value)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def alt(explorer: widgets.Explorer) -> str:
    (text,) = re.findall(r'alt="([^"]+)"', explorer.picture.value)
    return text


def words(explorer: widgets.Explorer) -> str:
    return re.sub("<[^>]*>", "", explorer.words.value)


def went_wrong(explorer: widgets.Explorer) -> bool:
    return "still that of the last settings" in explorer.words.value


def all_widgets(widget: Any) -> list[Any]:
    found = [widget]
    for child in getattr(widget, "children", ()):
        found += all_widgets(child)
    return found


def button(explorer: widgets.Explorer, name: str) -> Any:
    return next(w for w in all_widgets(explorer) if getattr(w, "description", "") == name)


@contextmanager
def quiet(explorer: widgets.Explorer) -> Iterator[None]:
    """Change several controls, and draw once, at the end."""
    explorer.is_quiet = True
    yield
    explorer.is_quiet = False
    explorer.update()


def turn(control: Any, dice: random.Random) -> None:
    """Set a control to a random value that it can take."""
    if hasattr(control, "options"):
        values = [one[1] if isinstance(one, tuple) else one for one in control.options]
        control.value = dice.choice(values)
    elif isinstance(control.value, int):
        control.value = dice.randint(control.min, control.max)
    else:
        control.value = dice.choice(
            [control.min, control.max, dice.uniform(control.min, control.max)]
        )


def count_calls(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> list[tuple[Any, ...]]:
    """Return a list to which every call from now on adds its arguments."""
    calls, function = [], getattr(place, name)

    def counted(*given: Any) -> Any:
        calls.append(given)
        return function(*given)

    monkeypatch.setattr(place, name, counted)
    return calls


@pytest.fixture
def render_some(monkeypatch: pytest.MonkeyPatch, no_shape_checks: None) -> list[Figure]:
    """Render one picture of five and check no shapes, which saves most of the time.

    Returns all figures.
    """
    figures: list[Figure] = []
    rendered = [b""]

    def png(figure: Figure) -> bytes:
        if len(figures) % 5 == 0:
            rendered[0] = render(figure)
        figures.append(figure)
        return rendered[0]

    render = plots.png
    monkeypatch.setattr(plots, "png", png)
    return figures


# --- every setting -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (widgets.addressing_explorer, 20),
        (widgets.copy_explorer, 25),
        (lambda: widgets.repeat_copy_explorer(trio("repeat-copy")), 15),
        (lambda: widgets.associative_recall_explorer(trio("associative-recall")), 20),
        (lambda: widgets.priority_sort_explorer(trio("priority-sort")), 20),
    ],
    ids=["addressing", "copy", "repeat-copy", "associative-recall", "priority-sort"],
)
def test_random_settings_give_a_picture(
    make: Callable[[], Any], count: int, render_some: list[Figure]
) -> None:
    explorer, dice = make(), random.Random(0)
    for _ in range(count):
        with quiet(explorer):
            for control in explorer.controls.values():
                turn(control, dice)
        assert not went_wrong(explorer), (explorer.settings, words(explorer))
    assert len(render_some) == count + 1
    assert picture(explorer).width > 500


def test_each_control_draws_by_itself(
    explorer: widgets.Explorer, render_some: list[Figure]
) -> None:
    dice = random.Random(1)
    for name, control in explorer.controls.items():
        if name == "bits":
            control.value = "10" * 30
            continue
        before = control.value
        for _ in range(2):
            turn(control, dice)
        assert not went_wrong(explorer), (name, before, control.value, words(explorer))


def test_ngrams_survive_random_edits(render_some: list[Figure]) -> None:
    explorer, dice = MAKERS["ngrams"](), random.Random(0)
    junk = ["", " ", "2", "hello", "0110 x", "<b>0</b>", "½", "0" * 1001, "०१", "$x$", "1_0"]
    drawn = refused = 0
    for _ in range(60):
        kind, field = dice.choice((0, 1, 1, 2, 3, 4, 5)), explorer.controls["bits"]
        if kind == 0:
            field.value = dice.choice(junk)
        elif kind == 1:
            field.value = "".join(dice.choice("01 \n") for _ in range(dice.randint(0, 60)))
        elif kind == 2:
            button(explorer, "Flip this bit").click()
        elif kind == 3:
            cut = dice.randint(0, len(field.value))
            field.value = field.value[:cut] + dice.choice("0123 ") + field.value[cut + 1 :]
        else:
            turn(explorer.controls["step" if kind == 4 else "memory"], dice)
        digits = "".join(field.value.split())
        good = set(digits) <= {"0", "1"} and 1 <= len(digits) <= 1000
        assert went_wrong(explorer) is not good, (field.value, words(explorer))
        if good:
            assert picture(explorer).width > 500
            drawn += 1
        else:
            assert "Bits: expected" in words(explorer)
            assert "Traceback" not in words(explorer)
            refused += 1
    assert drawn > 10 and refused > 5


# --- the controls --------------------------------------------------------------------------------


def test_it_is_a_box_of_labelled_controls_words_and_a_picture(explorer: widgets.Explorer) -> None:
    assert isinstance(explorer, ipywidgets.VBox)
    assert explorer.children[1:] == (explorer.busy, explorer.words, explorer.picture)
    assert set(explorer.controls.values()) < set(all_widgets(explorer))
    shown = [one for one in all_widgets(explorer.children[0]) if not hasattr(one, "children")]
    for widget in [*explorer.controls.values(), *shown]:
        assert widget.description.strip()
        tip = getattr(widget, "tooltip", None) or getattr(widget, "description_tooltip", None)
        assert tip and tip != widget.description
        assert getattr(widget, "continuous_update", False) is False, "it waits for release"
    assert len({widget.description for widget in shown}) == len(shown)
    assert "min-width" in explorer.picture.value and "overflow-x:auto" in explorer.picture.value
    assert "run this cell again" in repr(explorer) and "children=" not in repr(explorer)


def test_a_step_comes_back_when_there_is_room_for_it_again() -> None:
    explorer = MAKERS["repeat-copy"]()
    repeats, step = explorer.controls["repeats"], explorer.controls["step"]
    repeats.value, step.value = 8, 20
    repeats.value = 2
    assert step.value == step.max == 10
    repeats.value = 7
    assert step.value == 20
    assert "after step 20" in words(explorer)
    step.value = 4
    repeats.value = 2
    assert step.value == 4


def test_priorities_in_an_order_that_shows_something() -> None:
    explorer = MAKERS["priority-sort"]()
    knobs = [one for name, one in explorer.controls.items() if name.startswith("priority_")]
    drawn = [knob.value for knob in knobs]
    button(explorer, "In order").click()
    assert knobs[0].value == 0.95 and knobs[-1].value == -0.95
    assert "from the highest priority to the lowest: 1, 2, 3, 4," in words(explorer)
    button(explorer, "In reverse").click()
    assert "to the lowest: 20, 19, 18," in words(explorer)
    button(explorer, "Crowded").click()
    assert max(abs(knob.value) for knob in knobs) <= 0.2
    button(explorer, "As drawn").click()
    assert [knob.value for knob in knobs] == drawn


def test_nothing_costs_less_than_nothing_and_one_bit_is_one() -> None:
    explorer = widgets.ngrams_explorer(trio("dynamic-ngrams"), "1")
    assert "After 1 bit there" in words(explorer)
    assert "-0.0" not in words(explorer)


def test_a_setting_changes_all_that_is_shown_under_a_busy_sign(explorer: widgets.Explorer) -> None:
    assert len(alt(explorer)) > 30 and len(words(explorer)) > 30
    image = explorer.picture.value
    before = (picture(explorer).tobytes(), alt(explorer), words(explorer))
    seen: list[tuple[str, str]] = []
    explorer.busy.observe(lambda change: seen.append((change.new, explorer.picture.value)), "value")
    name, control = next(iter(explorer.controls.items()))
    control.value = "0011" * 9 if name == "bits" else turned(control)
    after = (picture(explorer).tobytes(), alt(explorer), words(explorer))
    assert all(one != other for one, other in zip(before, after, strict=True))
    (first, at_first), (last, at_last) = seen
    assert "Computing" in first and at_first == image
    assert "Computing" not in last and at_last != image
    assert 'role="status"' in first and 'role="status"' in last
    assert "aria-live" in explorer.words.value
    assert plots.PAPER in explorer.words.value, "in dark mode dark words need a light ground"


def turned(control: Any) -> Any:
    """Return another value that the control can take."""
    if hasattr(control, "options"):
        return control.options[-1][1]
    return control.max if control.value != control.max else control.min


def test_an_error_becomes_a_sentence_and_the_busy_sign_goes() -> None:
    def draw(number: int) -> widgets.Drawing:
        if number == 3:
            raise RuntimeError("no <luck> here")
        if number == 4:
            raise ValueError("number: expected 1 or 2, got 4")
        return widgets.Drawing(plots.timeline([("x", torch.ones(number, 1))]), f"{number}", "fine")

    slider = ipywidgets.IntSlider(value=1, min=1, max=5)
    explorer = widgets.Explorer(draw, {"number": slider})
    good = explorer.picture.value
    slider.value = 3
    assert "RuntimeError: no &lt;luck&gt; here." in explorer.words.value
    assert explorer.picture.value == good
    assert "Computing" not in explorer.busy.value
    slider.value = 4
    assert "<b>Number: expected 1 or 2, got 4.</b>" in explorer.words.value
    slider.value = 2
    assert words(explorer) == "fine" and alt(explorer) == "2"


def test_quiet_draws_once() -> None:
    explorer = MAKERS["copy"]()
    drawn = []
    explorer.picture.observe(lambda change: drawn.append(change.new), "value")
    with quiet(explorer):
        explorer.controls["length"].value = 7
        explorer.controls["number"].value = 3
    assert len(drawn) == 1


def test_only_what_ipywidgets_7_and_8_share_is_used() -> None:
    shared = {"HTML", "VBox", "Box", "IntSlider", "FloatSlider", "Dropdown", "Text", "HBox",
              "Button", "BoundedIntText", "Widget"}  # fmt: skip
    (folder,) = widgets.__path__
    sources = [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.py"))]
    tree = ast.parse("\n".join(sources))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "ipywidgets"
    }
    assert "VBox" in used and used <= shared
    traits = {"value", "description", "style", "layout", "min", "max", "step", "options",
              "tooltip", "continuous_update", "orientation"}  # fmt: skip
    makers = ("make_control", "Button", "Box", "HTML", "IntSlider", "kind")
    given = {
        keyword.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in makers
        for keyword in node.keywords
        if keyword.arg
    }
    assert "options" in given and given <= traits


# --- addressing ----------------------------------------------------------------------------------


def test_addressing_shows_the_equations_numbers() -> None:
    explorer = widgets.addressing_explorer()
    settings = {"key": (1.0, 0.4, 0.0), "key_strength": 9.0, "start": 3, "gate": 0.6,
                "shift": -0.3, "sharpening": 2.0, "repeats": 2}  # fmt: skip
    with quiet(explorer):
        for name, value in settings.items():
            explorer.controls[name].value = value
    M, k = widgets.MEMORY[None], torch.tensor([[[1.0, 0.4, 0.0]]])
    w = torch.eye(8)[3][None, None]
    for _ in range(2):
        content = addressing.content_weighting(M, k, torch.tensor([[[9.0]]]))
        gated = addressing.interpolate(content, w, torch.tensor([[[0.6]]]))
        shifted = addressing.shift(gated, torch.tensor([[[0.3, 0.7, 0.0]]]))
        w = addressing.sharpen(shifted, torch.tensor([[[2.0]]]))
    assert "Final: " + ", ".join(f"{value:.2f}" for value in w[0, 0]) in alt(explorer)
    figure = explorer.draw(**explorer.settings).figure
    shown = [text.get_text() for text in figure.axes[0].texts]
    for stage in (content, gated, shifted, w):
        for value in stage[0, 0]:
            assert f"{value:.2f}" in shown


def test_addressing_does_what_chapter_4_says_of_it() -> None:
    def final(**settings: Any) -> list[float]:
        usual = {"key": (1.0, 1.0, 0.0), "key_strength": 5.0, "start": 6, "gate": 0.0, "shift": 0.9,
                 "sharpening": 1.0, "repeats": 20}  # fmt: skip
        text = widgets.addressing_explorer().draw(**usual | settings).alt
        numbers = re.findall(r"Final: ([\d., ]+)\. ", text)[0]
        return [float(number) for number in numbers.split(", ")]

    assert max(final()) < 0.3
    assert max(final(sharpening=2.0)) > 0.97
    between = {"key": (1.0, 0.4, 0.0), "gate": 1.0, "shift": 0.0, "repeats": 1}
    vague, firm = final(**between), final(**between, key_strength=30.0)
    assert vague[0] - vague[2] < 0.05 < 0.1 < firm[0] - firm[2]
    nothing = {"key": (0.0, 0.0, 0.0), "shift": 0.0, "repeats": 1}
    assert len(set(final(**nothing, gate=1.0))) == 1
    assert final(**nothing, gate=0.0)[6] == 1


# --- copy and repeat copy ------------------------------------------------------------------------


def test_copy_counts_what_wrong_bits_counts() -> None:
    explorer = widgets.copy_explorer()
    for length, name, number in ((5, "lstm", 1), (60, "lstm", 2), (120, "ntm-lstm", 3)):
        with quiet(explorer):
            explorer.controls["length"].value = length
            explorer.controls["model"].value = name
            explorer.controls["number"].value = number
        generator = torch.Generator().manual_seed(evaluation.testing_seed(number))
        episode = TASKS["copy"].sample(1, length=length, generator=generator)
        with torch.no_grad():
            logits, _ = pretrained.load("copy", name).model(episode.inputs)
        wrong = int(wrong_bits(logits, episode))
        assert f"{wrong:,} of {8 * length:,} bits wrong" in words(explorer)
        assert f"{wrong:,} of {8 * length:,} bits are wrong" in alt(explorer)


def test_repeat_copy_counts_copied_bits_and_others_apart() -> None:
    models = trio("repeat-copy")
    explorer = widgets.repeat_copy_explorer(models)
    with quiet(explorer):
        explorer.controls["length"].value = 4
        explorer.controls["repeats"].value = 6
        explorer.controls["number"].value = 9
        explorer.controls["models"].value = tuple(models)
    generator = torch.Generator().manual_seed(evaluation.testing_seed(9))
    episode = TASKS["repeat-copy"].sample(1, length=4, repeats=6, generator=generator)
    for name, model in models.items():
        with torch.no_grad():
            logits, _ = model(episode.inputs)
        wrong = ((logits > 0) != (episode.targets > 0.5))[5:, 0]
        copied = int(wrong[:-1, :8].sum())
        others = int(wrong[:, 8].sum() + wrong[-1, :8].sum())
        assert copied + others == int(wrong_bits(logits, episode))
        said = words(explorer).split(plots.LABELS[name] + ": ")[1]
        assert said.startswith(f"{copied:,} of 192 copied bits wrong")
        assert f"of the end marker and the last step {others} of 33 bits wrong" in said


def test_repeat_copy_starts_with_the_first_own_model_or_the_lstm_controller() -> None:
    def first(models: Any) -> Any:
        return widgets.repeat_copy_explorer(models, length=2, repeats=1).settings["models"]

    assert first(None) == ("ntm-lstm",)
    assert first({"mine": small(), "other": small()}) == ("mine",)
    assert first({"lstm": trio("repeat-copy")["lstm"], "mine": small()}) == ("lstm",)


def test_repeat_copy_with_own_model_and_sequence() -> None:
    bits = torch.randint(2, (5, 8), generator=torch.Generator().manual_seed(3)).float()
    model = small(memory_locations=200)
    explorer = widgets.repeat_copy_explorer(
        models={"mine <3 $x": model}, sequence=bits[:, None], repeats=3
    )
    assert explorer.settings["models"] == ("mine <3 $x",) and explorer.settings["length"] == 5
    assert "mine &lt;3 $x" in explorer.words.value and not went_wrong(explorer)
    assert _phase(5, 5, 3) == "delimiter and repeat count 3"
    task = TASKS["repeat-copy"]
    episode = numbered_episode(task.name, bits, 0, 99, 3)
    assert torch.equal(episode.inputs[:5, 0, :8], bits)
    expected = torch.cat([bits, bits, bits])
    assert torch.equal(episode.targets[6:-1, 0, :8], expected)
    assert episode.targets[:, 0, 8].tolist() == [0.0] * 21 + [1.0]
    with torch.no_grad():
        wrong = (model(episode.inputs)[0] > 0) != (episode.targets > 0.5)
    assert f"{int(wrong[6:-1, 0, :8].sum())} of 120 copied bits" in words(explorer)
    explorer.controls["length"].value = 2
    assert "of 48 copied bits" in words(explorer), "the first two vectors of the own sequence"
    button(explorer, "New sequence").click()
    assert explorer.settings["number"] == 1
    explorer.controls["models"].value = explorer.controls["models"].options[-1][1]
    assert not went_wrong(explorer)


def test_copy_with_own_model_and_sequence() -> None:
    bits = [[1, 0, 1, 0, 1, 0, 1, 0], [0] * 8, [1] * 8]
    explorer = widgets.copy_explorer({"mine": small("copy")}, sequence=bits)
    assert explorer.settings == {"length": 3, "model": "mine", "number": 0}
    assert "of 24 bits wrong" in words(explorer)
    episode = numbered_episode("copy", torch.tensor(bits).float(), 0, 3)
    assert episode.targets[4:, 0].tolist() == bits and episode.inputs[:3, 0, :8].tolist() == bits
    length, number = explorer.controls["length"], explorer.controls["number"]
    assert length.max == 3, "no slider promises more than there is"
    number.value = 1
    assert length.max == 120


def test_new_sequence_is_another_and_its_number_brings_it_back() -> None:
    explorer = MAKERS["copy"]()
    first = picture(explorer).tobytes()
    button(explorer, "New sequence").click()
    assert picture(explorer).tobytes() != first
    explorer.controls["number"].value = 0
    assert picture(explorer).tobytes() == first


def test_moving_the_step_draws_the_memory_of_that_step_without_a_new_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = small()
    explorer = widgets.repeat_copy_explorer({"mine": model}, length=3, repeats=4)
    traced = count_calls(monkeypatch, model, "trace")
    before = picture(explorer).tobytes()
    explorer.controls["step"].value = 9
    assert picture(explorer).tobytes() != before and not traced
    assert "after step 9, repetition 2 of 4, vector 3 of 3" in words(explorer)
    explorer.controls["step"].value = 1
    assert "after step 1, input of vector 2 of 3" in words(explorer) and not traced
    explorer.controls["number"].value = 5
    assert len(traced) == 1
    with torch.no_grad():
        next(model.parameters()).add_(1)  # as training would
    explorer.controls["step"].value = 2
    assert len(traced) == 2, "a model that was trained further is run again"


def test_the_tape_is_the_trace_at_the_step() -> None:
    model = small(read_heads=2, write_heads=3)
    inputs = TASKS["repeat-copy"].sample(1, length=3, repeats=2).inputs
    run = widgets.Shelf("repeat-copy", {"mine": model}).run("mine", inputs)
    assert isinstance(run, widgets.Run) and run.trace is not None
    panels, tape = tape_at(run.trace, 4)
    assert torch.equal(tape.memory, run.trace.memory[4, 0])
    assert torch.equal(tape.read, run.trace.weighting[4, 0, :2].amax(0))
    assert torch.equal(tape.write, run.trace.weighting[4, 0, 2:].amax(0))
    (write, read) = (panel for _, panel in panels)
    assert torch.equal(write[4], tape.write[tape.locations])
    assert torch.equal(read[4], tape.read[tape.locations])


def test_the_step_slider_ends_with_the_sequence() -> None:
    explorer = widgets.repeat_copy_explorer(trio("repeat-copy"), length=3, repeats=4)
    step = explorer.controls["step"]
    assert step.max == 3 + 1 + 12
    step.value = 16
    assert "where the end marker is due" in words(explorer)
    drawn = []
    explorer.picture.observe(lambda change: drawn.append(change.new), "value")
    explorer.controls["repeats"].value = 1
    assert step.max == step.value == 7 and len(drawn) == 1
    assert "after step 7, where the end marker is due" in words(explorer)
    explorer.controls["length"].value = 30
    assert step.max == 61


# --- associative recall --------------------------------------------------------------------------


def ask(explorer: widgets.Explorer, **settings: Any) -> None:
    with quiet(explorer):
        for name, value in settings.items():
            explorer.controls[name].value = value


def test_recall_counts_what_wrong_bits_counts_and_names_the_nearest_item() -> None:
    models = trio("associative-recall")
    explorer = widgets.associative_recall_explorer(models)
    ask(explorer, items=5, query=2, number=9, models=tuple(models))
    generator = torch.Generator().manual_seed(evaluation.testing_seed(9))
    episode = TASKS["associative-recall"].sample(1, items=5, query=1, generator=generator)
    assert words(explorer).startswith("Item 2 of 5 is asked: item 3 is due.")
    for name, model in models.items():
        with torch.no_grad():
            logits, _ = model(episode.inputs)
        answer = (logits[25:, 0] > 0).float()
        away = [
            int((episode.inputs[4 * i + 1 : 4 * i + 4, 0, :6] != answer).sum()) for i in range(5)
        ]
        said = words(explorer).split(plots.LABELS[name] + ": ")[1]
        assert said.startswith(
            f"{int(wrong_bits(logits, episode))} of 18 bits wrong. The answer is nearest to item "
            f"{away.index(min(away)) + 1}, {min(away)} bits away."
        )


def test_recall_asks_no_item_that_has_none_after_it() -> None:
    explorer = widgets.associative_recall_explorer(trio("associative-recall"), items=6)
    query, step = explorer.controls["query"], explorer.controls["step"]
    assert (query.max, step.max) == (5, 31)
    ask(explorer, query=5, step=31)
    assert "after step 31, vector 3 of the answer is due" in words(explorer)
    drawn = []
    explorer.picture.observe(lambda change: drawn.append(change.new), "value")
    explorer.controls["items"].value = 2
    assert (query.max, query.value, step.value) == (1, 1, 15) and len(drawn) == 1
    assert words(explorer).startswith("Item 1 of 2 is asked: item 2 is due.")
    explorer.controls["items"].value = 20
    assert (query.max, step.max) == (19, 87)


def test_recall_of_own_items() -> None:
    items = torch.randint(2, (4, 3, 6), generator=torch.Generator().manual_seed(3)).float()
    episode = numbered_list(items, 0, 99, 3)
    drawn = TASKS["associative-recall"].sample(1, items=4)
    assert episode.inputs.shape == drawn.inputs.shape
    assert torch.equal(episode.inputs[..., 6:], drawn.inputs[..., 6:])
    for i, item in enumerate(items):
        assert torch.equal(episode.inputs[4 * i + 1 : 4 * i + 4, 0, :6], item)
    assert torch.equal(episode.inputs[17:20, 0, :6], items[2])
    assert torch.equal(episode.targets[-3:, 0], items[3])
    model = small("associative-recall")
    explorer = widgets.associative_recall_explorer({"mine": model}, sequence=items)
    assert explorer.settings["models"] == ("mine",) and explorer.settings["items"] == 4
    ask(explorer, query=3)
    with torch.no_grad():
        wrong = int(wrong_bits(model(episode.inputs)[0], episode))
    assert f"mine: {wrong} of 18 bits wrong" in words(explorer)
    ask(explorer, items=2)
    assert "Item 1 of 2" in words(explorer), "the first two items of the own list"
    button(explorer, "New sequence").click()
    assert not went_wrong(explorer)


def test_the_path_says_what_was_last_written_where_a_head_reads() -> None:
    """By hand: the head reads location 5 at the query's end, and then what it never wrote."""
    model = small("associative-recall")
    episode = TASKS["associative-recall"].sample(1, items=2)
    with torch.no_grad():
        _, trace = model.trace(episode.inputs)
    memory, looks = torch.zeros_like(trace.memory), torch.zeros_like(trace.weighting)
    memory[4:, 0, 5] = 1  # the delimiter after item 1
    memory[13:, 0, 5] = 2  # and the step of the first answer, which reads before it writes
    looks[..., 7] = 0.2
    looks[12:14, :, :, 5] = 0.9
    looks[14, :, :, 6] = 0.8
    path = re.sub("<[^>]*>", "", _path(trace._replace(memory=memory, weighting=looks), 2))
    assert [line.split("&nbsp;")[-1].strip() for line in path.split("  ")[:4]] == [
        "5, written at step 4, delimiter after item 1",
        "5, written at step 4, delimiter after item 1",
        "6, never written",
        "spread out",
    ]


# --- what can go wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (widgets.copy_explorer, "ntm-feedforward"),
        (widgets.repeat_copy_explorer, "ntm-lstm"),
        (widgets.associative_recall_explorer, "ntm-lstm"),
        (widgets.ngrams_explorer, "ntm-feedforward"),
        (widgets.priority_sort_explorer, "ntm-feedforward"),
    ],
)
def test_missing_weights_are_told_in_words(
    make: Callable[..., Any], name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    explorer = make()
    assert f"No trained {name} for" in words(explorer) and not went_wrong(explorer)
    assert picture(explorer).width > 500, "the targets are there all the same"


def test_trained_models_are_loaded_when_first_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = count_calls(monkeypatch, pretrained, "load")
    explorer = widgets.copy_explorer()
    assert loaded == [("copy", "ntm-feedforward")]
    explorer.controls["model"].value = "lstm"
    explorer.controls["length"].value = 3
    assert loaded == [("copy", "ntm-feedforward"), ("copy", "lstm")]


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor) -> Any:
        return inputs.new_full((*inputs.shape[:2], 9), torch.nan), None


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (small("copy"), "mine: Inputs: expected shape"),
        (NTM(10, 3, **SMALL), "mine: Expected 9 outputs for this task, got 3"),
        (Broken(), "mine: Its outputs are not all finite numbers"),
        (nn.LSTM(3, 4), "mine: "),
        (nn.Linear(10, 9), "mine: "),
        (nn.Flatten(), "mine: StopIteration"),
    ],
    ids=["other inputs", "other outputs", "nan", "another module", "no state", "no weights"],
)
def test_an_own_model_that_fails_is_told_in_words_and_the_others_drawn(
    model: nn.Module, sentence: str
) -> None:
    explorer = widgets.repeat_copy_explorer({"mine": model, **trio("repeat-copy")}, length=3)
    assert sentence in words(explorer) and not went_wrong(explorer)
    explorer.controls["models"].value = ("mine", "lstm")
    assert sentence in words(explorer) and "copied bits wrong" in words(explorer)


class Dropped(LSTMBaseline):
    """Its answers are another each time, unless it is being evaluated."""

    def forward(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        logits, state = super().forward(inputs, state)
        return nn.functional.dropout(logits, training=self.training), state


def test_dropout_rests_in_the_explorers() -> None:
    model = Dropped(9, 8, hidden_size=4)
    inputs = torch.ones(5, 1, 9)
    one, other = (_run(model, inputs, 8).logits for _ in range(2))
    assert one.equal(other)
    assert model.training


@pytest.mark.bad_input
@each(
    ("make", "arguments", "message"),
    [
        (widgets.copy_explorer, {"models": {"mine": 3}}, "models: expected a model for 'mine'"),
        (widgets.copy_explorer, {"length": -3}, "length: expected .* from 1 to 1000, got -3"),
        (widgets.repeat_copy_explorer, {"repeats": 10**5}, "repeats: expected .* from 1 to 100"),
        (widgets.associative_recall_explorer, {"items": 1}, "items: expected .* from 2"),
        (
            widgets.copy_explorer,
            {"sequence": torch.zeros(3, 9)},
            r"shape \(K, 8\), K at least 1, got",
        ),
        (widgets.repeat_copy_explorer, {"sequence": torch.zeros(0, 8)}, "sequence: expected"),
        (
            widgets.copy_explorer,
            {"sequence": "0101"},
            "sequence: expected numbers, as many in each",
        ),
        (widgets.repeat_copy_explorer, {"sequence": torch.full((2, 8), 0.5)}, "zeros and ones"),
        (
            widgets.associative_recall_explorer,
            {"sequence": torch.zeros(1, 3, 6)},
            r"^sequence: expected shape \(K, 3, 6\), K at least 2, got \(1, 3, 6\)",
        ),
        (widgets.associative_recall_explorer, {"sequence": torch.zeros(2, 3, 8)}, r"\(2, 3, 8\)"),
        (widgets.associative_recall_explorer, {"sequence": torch.ones(2, 3, 6) * 2}, "zeros and"),
        (widgets.ngrams_explorer, {"sequence": "012"}, "bits: expected zeros and ones only, got 2"),
        (widgets.ngrams_explorer, {"sequence": [0.9, 0.2]}, "expected zeros and ones only, got"),
        (widgets.ngrams_explorer, {"sequence": ""}, "expected 1 to 1000 of them, got 0"),
        (widgets.priority_sort_explorer, {"models": {"mine": 3}}, "models: expected a model for"),
        (widgets.priority_sort_explorer, {"sequence": torch.zeros(1, 8)}, "2 to 40 vectors, got 1"),
        (widgets.priority_sort_explorer, {"sequence": torch.zeros(41, 8)}, "to 40 vectors, got 41"),
        (widgets.priority_sort_explorer, {"priorities": [0.5]}, "priorities: expected 20 numbers"),
        (widgets.priority_sort_explorer, {"priorities": [2.0] * 20}, "20 numbers from -1 to 1"),
    ],
)
def test_bad_arguments_are_refused(
    make: Callable[..., Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(**arguments)


# --- priority sort -------------------------------------------------------------------------------


def test_sort_counts_rows_in_their_place() -> None:
    models = trio("priority-sort")
    explorer = widgets.priority_sort_explorer(models)
    for name, number in (("lstm", 0), ("ntm-lstm", 7)):
        with quiet(explorer):
            explorer.controls["model"].value = name
            explorer.controls["number"].value = number
        generator = torch.Generator().manual_seed(evaluation.testing_seed(number))
        drawn = TASKS["priority-sort"].sample(1, items=20, answers=1, generator=generator)
        priorities = [explorer.settings[f"priority_{k}"] for k in range(1, 21)]
        assert priorities == pytest.approx(drawn.inputs[:20, 0, 8].tolist(), abs=0.00501)
        episode = arrange(drawn.inputs[:20, :, :8], torch.tensor(priorities)[:, None], 16)
        with torch.no_grad():
            logits, _ = models[name](episode.inputs)
        right = right_rows(logits, episode)[:, 0]
        said = words(explorer)
        assert f"{int(wrong_bits(logits, episode))} of 128 bits wrong; " in said
        assert f"{int(right.sum())} of 16 vectors are right and in their place" in said
        order = sorted(range(20), key=lambda k: -priorities[k])
        assert f"to the lowest: {', '.join(str(k + 1) for k in order)}." in said


def test_sort_follows_a_slider() -> None:
    explorer = widgets.priority_sort_explorer(trio("priority-sort"))
    explorer.controls["priority_5"].value = 1.0
    assert "to the lowest: 5, " in words(explorer)
    explorer.controls["priority_5"].value = -1.0
    assert ", 5." in words(explorer)


def test_sort_draws_once_for_a_new_sequence_and_its_number_brings_it_back() -> None:
    explorer = widgets.priority_sort_explorer(trio("priority-sort"))
    first, drawn = explorer.settings, []
    explorer.picture.observe(lambda change: drawn.append(change.new), "value")
    button(explorer, "New sequence").click()
    assert len(drawn) == 1
    assert all(explorer.settings[name] != first[name] for name in first if "priority" in name)
    explorer.controls["number"].value = 0
    assert explorer.settings == first and len(drawn) == 2


def test_sort_says_where_the_vectors_were_written() -> None:
    models = trio("priority-sort")
    explorer = widgets.priority_sort_explorer(models)
    model = models["ntm-feedforward"]
    assert isinstance(model, NTM)
    values = [explorer.settings[f"priority_{k}"] for k in range(1, 21)]
    generator = torch.Generator().manual_seed(evaluation.testing_seed(0))
    drawn = TASKS["priority-sort"].sample(1, items=20, answers=1, generator=generator)
    priorities = torch.tensor(values)[:, None]
    with torch.no_grad():
        _, trace = model.trace(arrange(drawn.inputs[:20, :, :8], priorities, 16).inputs)
    late, fit = fit_writes(trace.write_weighting, priorities)
    where = trace.write_weighting[late : late + 20, 0, fit.head].argmax(-1)
    listed = ", ".join(str(int(at)) for at in where[priorities[:, 0].argsort(descending=True)])
    assert f"in the order of the answer: {listed}. Location {fit.intercept:.1f} " in words(explorer)
    assert f"explains R² = {fit.r_squared:.2f} of it." in words(explorer)
    explorer.controls["step"].value = 36
    assert "After step 36, where place 16 is due; write head: weight" in words(explorer)
    explorer.controls["step"].value = 20
    assert "After step 20, delimiter" in words(explorer)
    explorer.controls["model"].value = "lstm"
    assert "There is no memory to walk through" in words(explorer)


def test_sort_of_own_vectors_and_priorities() -> None:
    bits = torch.eye(8)[:5]
    given = [0.3, -0.2, 0.9, -1.0, 0.3]
    explorer = widgets.priority_sort_explorer({"mine": small("priority-sort")}, bits, given)
    assert explorer.settings["model"] == "mine"
    assert [explorer.settings[f"priority_{k}"] for k in range(1, 6)] == pytest.approx(given)
    assert "to the lowest: 3, 1, 5, 2, 4." in words(explorer) and "of 4 vectors" in words(explorer)
    assert explorer.controls["step"].max == 9
    with quiet(explorer):
        for k in range(1, 6):
            explorer.controls[f"priority_{k}"].value = 0.0
    assert not went_wrong(explorer) and "no line to fit" in words(explorer)
    button(explorer, "New sequence").click()
    assert not went_wrong(explorer) and "of 32 bits wrong" in words(explorer)


# --- N-grams -------------------------------------------------------------------------------------


def test_ngrams_show_the_counts_behind_the_optimum() -> None:
    text = "0110100101" * 4 + "11010"
    explorer = widgets.ngrams_explorer(trio("dynamic-ngrams"), text)
    explorer.controls["step"].value = 33
    context = text[29:34]
    after = [text[t + 1] for t in range(4, 33) if text[t - 4 : t + 1] == context]
    ones, zeros = after.count("1"), after.count("0")
    assert len(after) > 1
    expected = (ones + 0.5) / (ones + zeros + 1)
    assert f"the last 5 bits are {context}." in words(explorer)
    assert f"a 1 followed them {ones} times and a 0 {zeros} times" in words(explorer)
    assert f"= {expected:.3f}." in words(explorer)
    bits = torch.tensor([float(bit) for bit in text])
    assert optimal_predictions(bits[:, None])[33, 0] == pytest.approx(expected)
    assert f"It met this context {len(after)} times before" in words(explorer)
    for step in (0, 4, 44):
        explorer.controls["step"].value = step
        assert not went_wrong(explorer)
    assert "it is not known" in words(explorer)


def test_ngrams_table_holds_predictions_and_costs() -> None:
    models = trio("dynamic-ngrams")
    explorer = widgets.ngrams_explorer(models, "0110100101" * 4)
    bits = torch.tensor([0.0, 1, 1, 0, 1, 0, 0, 1, 0, 1] * 4)
    said = {"optimal": optimal_predictions(bits[:, None])[:, 0]}
    for name, model in models.items():
        with torch.no_grad():
            said[plots.LABELS[name]] = model(bits[:, None, None])[0].sigmoid()[:, 0, 0]
    rows = re.findall(r"<tr><td>(.*?)</td><td>&nbsp;(.*?)</td><td>&nbsp;(.*?)</td>",
                      explorer.words.value)  # fmt: skip
    assert [name for name, *_ in rows] == list(said)
    for name, now, cost in rows:
        p = said[name]
        paid = sum(-float((p[t] if bits[t + 1] else 1 - p[t]).log2()) for t in range(4, 39))
        assert float(now) == pytest.approx(float(p[20]), abs=6e-4)
        assert float(cost) == pytest.approx(paid, abs=0.06)


def test_ngrams_flip_and_new_table() -> None:
    explorer = widgets.ngrams_explorer(trio("dynamic-ngrams"), torch.tensor([0, 1, 1, 0, 1, 0, 0]))
    explorer.controls["step"].value = 2
    button(explorer, "Flip this bit").click()
    assert explorer.settings["bits"] == "0100100"
    explorer.controls["bits"].value = "junk"
    button(explorer, "Flip this bit").click()
    assert explorer.settings["bits"] == "junk" and "Bits: expected zeros and ones" in words(
        explorer
    )
    button(explorer, "New table").click()
    one = explorer.settings["bits"]
    button(explorer, "New table").click()
    assert len("".join(one.split())) == 200 and explorer.settings["bits"] != one
    assert explorer.controls["step"].max == 199 and not went_wrong(explorer)


def test_spaces_and_lines_between_bits_do_not_count() -> None:
    assert widgets.parse_bits(" 01\n1 0\t1 ").tolist() == [0, 1, 1, 0, 1]
