"""Figures show the numbers that they were given, name their axes, and refuse bad input."""

import io
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation
from PIL import Image
from torch import Tensor

from ntm_tutorial import NTM, TASKS, Evaluation, History, NTMTrace, plots
from ntm_tutorial.plots import diagrams
from ntm_tutorial.plots.drawing import short
from ntm_tutorial.tasks import Episode
from tests.each import each

DIAGRAMS = (diagrams.machine, diagrams.addressing, diagrams.write, diagrams.lstm_and_ntm,
            diagrams.unrolled)  # fmt: skip


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    """Draw in the book's style, without a screen, and leave nothing behind."""
    backend = plt.get_backend()
    plt.switch_backend("agg")
    with plt.rc_context():
        plots.use_style()
        yield
    plt.close("all")
    plt.switch_backend(backend)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def images(figure: Figure) -> list[np.ndarray]:
    """Return what each panel with an image shows, time first; colour bars are left out."""
    panels = [axis for axis in figure.axes if axis.images]
    return [np.asarray(axis.images[0].get_array()).T for axis in panels]


def shows(figure: Figure, *expected: Tensor) -> bool:
    """Tell whether the figure's images are these, in this order."""
    found = images(figure)
    return len(found) == len(expected) and all(
        one.shape == tuple(other.shape) and np.allclose(one, other)
        for one, other in zip(found, expected, strict=True)
    )


def rectangles(axis: Axes) -> list[Rectangle]:
    return [patch for patch in axis.patches if isinstance(patch, Rectangle)]


def bars(axis: Axes) -> list[float]:
    return [patch.get_height() for patch in rectangles(axis)]


def arrows(axis: Axes) -> list[tuple[float, float]]:
    """Return the points that a panel's arrows point at."""
    return [text.xy for text in axis.texts if isinstance(text, Annotation)]


def episode(name: str = "copy", **difficulty: Any) -> Episode:
    return TASKS[name].sample(2, generator=torch.Generator().manual_seed(0), **difficulty)


def nothing_is_cut_off(figure: Figure) -> bool:
    """Tell whether all that is drawn lies within the figure; boxes are in inches."""
    figure.canvas.draw()
    drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > -1e-6


# --- sequences -----------------------------------------------------------------------------------


def test_sequence_shows_its_rows_over_one_time_axis() -> None:
    rows = {"bits": random(12, 8), "signed": random(12, 3) - 0.5, "one": random(12, 1)}
    assert plots.sequence(rows, "bit").axes[2].get_xlabel() == "bit"
    figure = plots.sequence(rows)
    assert shows(figure, *rows.values())
    assert [axis.get_ylabel() for axis in figure.axes[:3]] == list(rows)
    assert figure.axes[2].get_xlabel() == "time step"
    bits, signed, one = (axis.images[0].get_clim() for axis in figure.axes[:3])
    assert bits == one == (0.0, 1.0)
    most = rows["signed"].abs().max().item()
    assert signed == pytest.approx((-most, most))


def test_episode_shows_one_sequence_without_its_padding() -> None:
    batch = episode(length=torch.tensor([3, 5]))
    outputs = random(*batch.targets.shape)
    first = plots.episode(batch, outputs, index=0)
    assert shows(first, batch.inputs[:7, 0], batch.targets[:7, 0], outputs[:7, 0])
    long = plots.episode(batch, index=1)
    assert shows(long, batch.inputs[:, 1], batch.targets[:, 1])
    assert [axis.get_ylabel() for axis in first.axes[:3]] == ["inputs", "targets", "outputs"]


def test_episode_veils_the_steps_that_do_not_count() -> None:
    figure = plots.episode(episode(length=3))
    veiled = [[step.get_x() + 0.5 for step in rectangles(axis)] for axis in figure.axes[:2]]
    assert veiled == [[], [0, 1, 2, 3]]


@each("name", TASKS)
def test_every_task_can_be_shown(name: str) -> None:
    batch = episode(name)
    figure = plots.episode(batch)
    mask = batch.mask if batch.mask.dim() == 1 else batch.mask[:, 0]
    end = int(mask.nonzero().max()) + 1
    assert shows(figure, batch.inputs[:end, 0], batch.targets[:end, 0])
    assert nothing_is_cut_off(figure)


def test_targets_stand_over_outputs_and_widths_follow_lengths() -> None:
    cases = [
        (f"length {length}", random(length, 8).round(), random(length, 8, seed=1))
        for length in (10, 20, 50, 120)
    ]
    figure = plots.targets_and_outputs(cases, "title")
    assert shows(figure, *(tensor for _, *pair in cases for tensor in pair))
    panels = [axis for axis in figure.axes if axis.images]
    widths = [axis.get_position().width for axis in panels]
    assert np.allclose(np.divide(widths, widths[0]), np.repeat([1, 2, 5, 12], 2))
    assert [axis.get_title(loc="left") for axis in panels[::2]] == [name for name, *_ in cases]
    assert all(
        upper.get_position().y0 > lower.get_position().y1
        for upper, lower in zip(panels[::2], panels[1::2], strict=True)
    )
    assert figure.get_size_inches()[0] == plots.WIDTH
    assert nothing_is_cut_off(figure)


def test_the_columns_of_answers_have_a_name() -> None:
    case = ("length 3", torch.ones(3, 8), random(3, 8))
    figure = plots.targets_and_outputs([case], label="position in the answer")
    assert figure.axes[-1].get_xlabel() == "position in the answer"


def test_wrong_bits_are_framed() -> None:
    targets = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    outputs = torch.tensor([[0.1, 0.2], [0.9, 0.8], [0.7, 0.4]])
    wrong = [(0, 1), (2, 0)]
    figure = plots.targets_and_outputs([("case", targets, outputs)], marks="wrong")
    frames = [rectangles(axis) for axis in figure.axes if axis.images]
    assert not frames[0]
    assert [(round(frame.get_x()), round(frame.get_y())) for frame in frames[1]] == wrong


def test_repeat_copies_stand_as_in_figure_8() -> None:
    cases = [
        (
            f"Length {length}, Repeat {repeats}",
            length,
            random(201, 9).round(),
            random(201, 9, seed=s),
        )
        for s, (length, repeats) in enumerate(((10, 20), (20, 10)), start=1)
    ]
    figure = plots.repeat_copies({"NTM": cases, "LSTM": cases[:1]}, trained_repeats=10)
    parts = [part for case in (*cases, cases[0]) for rows in case[2:]
             for part in (rows[:, :8], rows[:, 8:])]  # fmt: skip
    _, *panels = figure.axes  # targets, end, outputs, end, wrong; three times
    assert len(panels) == 15
    assert all(axis.images[0].get_clim() == (0, 1) for axis in panels if axis.images)
    shown = [axis for axis in panels if axis.images]
    assert all(
        np.allclose(np.asarray(axis.images[0].get_array()).T, part)
        for axis, part in zip(shown, parts, strict=True)
    )
    _, _, targets, outputs = cases[1]
    wrong = ((targets > 0.5) != (outputs > 0.5)).sum(1)
    assert bars(panels[9]) == wrong.tolist()
    numbers = [label.get_text() for label in panels[9].get_xticklabels()]
    assert numbers == [str(n) for n in range(1, 11)]
    beyond = [[np.asarray(line.get_xdata())[0] for line in axis.lines] for axis in panels]
    assert beyond == [[99.5]] * 5 + [[]] * 5 + [[99.5]] * 5
    words = [text.get_text() for text in figure.texts]
    assert [word for word in words if word in ("NTM", "LSTM")] == ["NTM", "LSTM"]
    titles = [axis.get_title(loc="left") for axis in panels[::5]]
    assert titles == [case[0] for case in (*cases, cases[0])]
    edges = [axis.get_position().x0 * figure.get_figwidth() * 100 for axis in panels]
    widths = [axis.get_position().width * figure.get_figwidth() * 100 for axis in shown]
    assert np.allclose(edges, np.round(edges)) and np.allclose(widths, 603)  # 3 pixels a step
    assert nothing_is_cut_off(figure)


@each(("length", "repeats"), [(1, 1), (3, 2), (30, 30)])
def test_repeat_copies_of_any_size(length: int, repeats: int) -> None:
    rows = random(length * repeats + 1, 9)
    figure = plots.repeat_copies({"NTM": [("case", length, rows, rows)]}, trained_repeats=10)
    assert nothing_is_cut_off(figure)


# --- inside the machine --------------------------------------------------------------------------


def focused(trace: NTMTrace) -> NTMTrace:
    """Let all heads go from location 14, round the end, to 3 and back; they still differ."""
    focus = torch.eye(16)[[14, 15, 0, 1, 2, 3, 14, 14, 14]][:, None, None]
    return trace._replace(weighting=0.9 * focus + 0.05 * trace.weighting)


def test_memory_use_shows_the_trace() -> None:
    torch.manual_seed(0)
    batch = episode(length=4)
    model = NTM(9, 8, read_heads=2, write_heads=2, memory_locations=16, memory_width=5)
    with torch.no_grad():
        logits, trace = model.trace(batch.inputs)
    trace = focused(trace)
    figure = plots.memory_use(batch, logits, trace, index=1, head=1)
    shown = [14, 15, 0, 1, 2, 3]
    assert shows(
        figure,
        batch.inputs[:, 1],
        logits[:, 1].sigmoid(),
        trace.add_vector[:, 1, 1],
        trace.reads[:, 1, 1],
        trace.write_weighting[:, 1, 1][:, shown],
        trace.read_weighting[:, 1, 1][:, shown],
    )
    assert [step.get_x() + 0.5 for step in rectangles(figure.axes[1])] == [0, 1, 2, 3, 4]
    titles = ["inputs", "outputs", "vectors added", "vectors read"]
    titles += ["write weighting", "read weighting"]
    assert [axis.get_title(loc="left") for axis in figure.axes[:6]] == titles
    assert [axis.get_ylabel() for axis in figure.axes[:6:2]] == ["channel", "component", "location"]
    assert [label.get_text() for label in figure.axes[4].get_yticklabels()] == [*map(str, shown)]
    assert nothing_is_cut_off(figure)


def test_memory_use_frames_what_to_look_at() -> None:
    torch.manual_seed(0)
    batch = episode(length=4)
    model = NTM(9, 8, read_heads=1, write_heads=3, memory_locations=16, memory_width=5)
    with torch.no_grad():
        logits, trace = model.trace(batch.inputs)
    trace = focused(trace)
    frames = [
        plots.Frame("inputs", (1, 3), letter="A"),
        plots.Frame("read weighting", (5, 5), letter="B", colour="#009e73"),
    ]
    figure = plots.memory_use(batch, logits, trace, write_head=2, frames=frames)
    assert np.allclose(images(figure)[2], trace.add_vector[:, 0, 2])
    assert np.allclose(images(figure)[4], trace.write_weighting[:, 0, 2][:, [14, 15, 0, 1, 2, 3]])
    (one,), (other,) = (
        [box for box in rectangles(figure.axes[panel]) if not box.get_fill()] for panel in (0, 5)
    )
    assert one.get_bbox().bounds == (0.5, -0.5, 3, 9)
    assert other.get_bbox().bounds == (4.5, -0.5, 1, 6)
    assert to_rgb(other.get_edgecolor()) == to_rgb("#009e73")
    letters = [text.get_text() for panel in (0, 5) for text in figure.axes[panel].texts]
    assert letters == ["A", "B"]
    assert nothing_is_cut_off(figure)


def test_instructions_stand_under_what_they_do() -> None:
    ntm = NTM(3, 2, memory_locations=30)
    with torch.no_grad():
        _, trace = ntm.trace(random(9, 2, 3))
    figure = plots.instructions(trace, index=1, marks=[4])
    grid = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    assert [axis.get_title(loc="left") for axis in grid[:2]] == ["read head", "write head"]
    for head in (0, 1):
        _, shifts, *lines = grid[head::2]
        drawn = np.asarray(shifts.images[0].get_array()).T
        assert np.allclose(drawn, trace.shift_weighting[:, 1, head])
        for axis, part in zip(
            lines, (trace.gate, trace.key_strength, trace.sharpening), strict=True
        ):
            assert np.allclose(axis.lines[0].get_ydata(), part[:, 1, head, 0])
            assert axis.lines[1].get_xdata() == [4, 4]


def test_used_locations_go_round_the_end() -> None:
    write, read = np.zeros((2, 10)), np.zeros((2, 10))
    assert plots.used_locations(write, read) == list(range(10))
    write[0, 8], read[1, 1] = 0.9, 0.5
    assert plots.used_locations(write, read) == [8, 9, 0, 1]
    read[1, 4] = 0.05
    assert plots.used_locations(write, read) == [8, 9, 0, 1]


def test_weighting_bars_are_as_high_as_the_weights() -> None:
    weightings = {"content": random(6), "final": random(1, 1, 6, seed=1)}
    figure = plots.weighting_bars(weightings)
    for axis, (name, weighting) in zip(figure.axes, weightings.items(), strict=True):
        assert np.allclose(bars(axis), weighting.flatten())
        assert axis.get_ylabel() == name
    assert figure.axes[-1].get_xlabel() == "memory location"


def test_matrices_show_their_values_and_their_numbers() -> None:
    values = torch.tensor([[0.125, -1.0], [0.0, 2.0], [-0.001, 0.5]])
    figure = plots.matrices({"memory": values}, "location", "component")
    axis = figure.axes[0]
    assert shows(figure, values.T)
    numbers = [text.get_text() for text in axis.texts]
    assert numbers == ["0.12", "-1", "0", "2", "0", "0.5"]
    labels = (axis.get_title(loc="left"), axis.get_ylabel(), axis.get_xlabel())
    assert labels == ("memory", "location", "component")
    assert not plots.matrices({"memory": values}, numbers=False).axes[0].texts


def test_matrices_share_one_scale() -> None:
    values = {"before": random(5, 3), "after": 3 * random(5, 3)}
    figure = plots.matrices(values)
    assert shows(figure, *(value.T for value in values.values()))
    limits = [axis.images[0].get_clim() for axis in figure.axes if axis.images]
    assert limits[0] == limits[1] == pytest.approx((0.0, values["after"].max().item()))


def test_a_weighting_beside_a_memory_has_a_scale_of_its_own() -> None:
    figure = plots.matrices({"w": random(5, 1), "M": 3 * random(5, 3)}, weightings={"w"})
    weighting, memory = [axis.images[0] for axis in figure.axes if axis.images]
    assert weighting.get_clim() == (0.0, 1.0) != memory.get_clim()
    assert weighting.get_cmap() != memory.get_cmap()
    assert not len(figure.axes[0].get_xticks()), "a single column has no number"


# --- explorers -----------------------------------------------------------------------------------


def tape(*, low: float = 0.0) -> plots.Tape:
    memory = random(16, 5) * (1 - low) + low
    return plots.Tape(memory, random(16), random(16, seed=1), [14, 15, 0, 1, 2], low, 1.0)


@each("steps", [1, 30, 212, 932])
def test_timeline_shows_maps_counts_step_and_tape(steps: int) -> None:
    bits, counts = random(steps, 9), torch.arange(steps) % 4
    panels = [("$outputs of {a model", bits), ("wrong bits", counts)]
    figure = plots.timeline(panels, step=steps // 2, tape=tape(low=-0.5))
    assert plt.get_fignums() == [] and nothing_is_cut_off(figure)
    axis = figure.axes[0]
    shown = [np.asarray(image.get_array()).T for image in axis.images]
    assert any(one.shape == (steps, 9) and np.allclose(one, bits) for one in shown)
    rows = tape(low=-0.5).memory[[14, 15, 0, 1, 2]]
    assert any(one.shape == (5, 5) and np.allclose(one, rows) for one in shown)
    texts = [text.get_text() for text in axis.texts]
    for expected in ("wrong bits", f"memory after step {steps // 2}", "14", "0", "2", "time step"):
        assert expected in texts


def test_timeline_draws_a_bar_for_every_count() -> None:
    counts = torch.tensor([0, 2, 0, 4, 1])
    figure = plots.timeline([("wrong bits", counts)])
    lines = [one for one in figure.axes[0].collections if isinstance(one, LineCollection)]
    (bars,) = [one for one in lines if np.allclose(one.get_color(), to_rgba(plots.MARK))]
    heights = [abs(float(one[1, 1] - one[0, 1])) for one in map(np.asarray, bars.get_segments())]
    assert np.allclose(np.divide(heights, max(heights)), [0.5, 1, 0.25])


def test_timeline_leaves_no_step_out_where_there_are_more_than_pixels() -> None:
    bits = torch.zeros(2000, 1)
    bits[1001] = 1
    png = plots.png(plots.timeline([("bits", bits)]))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    row = pixels[50, 140:770]
    assert np.abs(row - row[0]).max() > 20, "the one bit among 2000 is seen"


def test_addressing_stages_show_every_number() -> None:
    memory, key, similarity = random(8, 3) * 2 - 1, random(3), random(8)
    weightings = {"one": random(8, seed=1).softmax(0), "other": torch.eye(8)[2]}
    figure = plots.addressing_stages(memory, key, similarity, weightings)
    assert plt.get_fignums() == [] and nothing_is_cut_off(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for value in [*memory.flatten(), *key, *similarity]:
        assert short(float(value)) in texts
    for value in torch.cat(list(weightings.values())):
        assert f"{value:.2f}" in texts


def test_explorers_figures_do_not_depend_on_the_style_in_use() -> None:
    panels = [("bits", random(20, 3))]
    with plt.rc_context():
        plt.rcdefaults()
        plain = plots.png(plots.timeline(panels))
    assert plain == plots.png(plots.timeline(panels))


@pytest.mark.bad_input
def test_timeline_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="expected something to draw"):
        plots.timeline([])
    with pytest.raises(ValueError, match="the same number of steps"):
        plots.timeline([("a", random(3, 2)), ("b", random(4, 2))])
    with pytest.raises(ValueError, match="step: expected a whole number from 0 to 2, got 3"):
        plots.timeline([("a", random(3, 2))], step=3)
    with pytest.raises(ValueError, match="the same number of locations"):
        plots.addressing_stages(random(8, 3), random(3), random(8), {"w": random(7)})


# --- results -------------------------------------------------------------------------------------


def test_learning_curves_show_the_validation_cost() -> None:
    cost = [50.0, 3.0, 0.0]
    histories = {
        name: History([2000, 4000, 6000], [99.0] * 3, cost, cost, [0.0] * 3)
        for name in ("ntm-lstm", "mine")
    }
    figure = plots.learning_curves(histories, goal=0.1)
    first, second, goal = figure.axes[0].lines
    for line in (first, second):
        assert np.allclose(line.get_xdata(), [2, 4, 6])
        assert np.allclose(line.get_ydata(), [50, 3, 1e-3])
    assert set(np.asarray(goal.get_ydata())) == {0.1}
    assert (first.get_label(), second.get_label()) == ("NTM, LSTM controller", "mine")
    assert first.get_color() == plots.COLOURS["ntm-lstm"]
    assert figure.axes[0].get_yscale() == "log"
    assert "thousands" in figure.axes[0].get_xlabel()
    assert figure.axes[0].get_ylabel() == "bits per sequence"
    assert [text.get_text() for text in figure.axes[0].texts] == ["goal: 0.1 bits"]


def test_learning_curves_of_many_runs_are_thin_and_their_median_is_thick() -> None:
    def run(*costs: float) -> History:
        return History([1000 * (place + 1) for place in range(len(costs))], [], list(costs))

    runs = [run(9.0, 1.0), run(8.0, 4.0, 2.0), run(7.0, 5.0, 3.0)]  # the first ended early
    (axis,) = plots.learning_curves({"lstm": runs, "ntm-lstm": runs[:1]}).axes
    *thin, median, alone = axis.lines
    assert [list(line.get_ydata()) for line in thin] == [run.validation_bits for run in runs]
    assert np.allclose(median.get_xdata(), [1, 2, 3])
    assert np.allclose(median.get_ydata(), [8, 4, 2])
    assert all(line.get_linewidth() < median.get_linewidth() / 2 for line in thin)
    assert {line.get_color() for line in (*thin, median)} == {plots.COLOURS["lstm"]}
    assert list(alone.get_ydata()) == [9, 1]
    (legend,) = axis.figure.legends
    names = ["LSTM", "NTM, LSTM controller"]
    assert [text.get_text() for text in legend.get_texts()] == names


def test_curve_panels_and_where_the_papers_curves_end() -> None:
    def run(*costs: float) -> History:
        return History([1000 * (place + 1) for place in range(len(costs))], [], list(costs))

    panels: dict[str, dict[str, Any]] = {
        "copy": {"lstm": [run(9.0, 0.5), run(7.0, 0.0)], "ntm-lstm": run(1.0)},
        "sort": {"lstm": run(9.0, 5.0)},
    }
    figure = plots.curve_panels(panels, paper={"sort": {"lstm": (2.0, 3.0)}})
    copy, sort = figure.axes
    assert [axis.get_title(loc="left") for axis in (copy, sort)] == ["copy", "sort"]
    shown = [list(line.get_ydata()) for line in copy.lines]
    assert shown == [[9, 0.5], [7, 1e-3], [8, 0.25], [1]]
    curve, bar = sort.lines
    assert list(curve.get_ydata()) == [9, 5]
    assert np.allclose(bar.get_ydata(), (2, 3), rtol=0.05)
    assert bar.get_color() == plots.COLOURS["lstm"]
    (legend,) = figure.legends
    names = ["LSTM", "NTM, LSTM controller", "where the paper's curve ends"]
    assert [text.get_text() for text in legend.get_texts()] == names
    five = plots.curve_panels({str(task): panels["sort"] for task in range(5)})
    assert not five.legends and five.axes[5].get_legend(), "it fills the panel that is over"


def test_strips_show_every_run_their_median_and_the_paper() -> None:
    panels = {"copy": {"lstm": [4.0, 2.0, 0.0], "ntm-lstm": [7.0]}, "sort": {"lstm": [1.0]}}
    paper = {"copy": {"ntm-lstm": (5.0, 6.0)}}
    figure = plots.strips(panels, label="bits", paper=paper, floor=0.1)
    copy, sort = figure.axes
    marks, median, other, _, bar = copy.lines
    assert list(marks.get_xdata()) == [4, 2, 0.1]
    assert list(median.get_xdata()) == [2, 2]
    assert list(other.get_xdata()) == [7]
    assert list(bar.get_xdata()) == [5, 6]
    assert copy.get_xscale() == sort.get_xscale() == "log"
    assert figure.get_supxlabel() == "bits"
    (axis,) = plots.strips({"copy": {"lstm": [4.0, 2.0]}}, label="bits").axes
    assert axis.get_xscale() == "linear"
    assert axis.get_xlim()[0] == 0


def test_strip_map_shows_medians_seeds_and_why_a_cell_is_empty() -> None:
    rows = {"lstm": {"copy": [[0.0], [0.2, 0.9, 1.4]], "sort": "not trained: no time"},
            "dnc": {"copy": [[12.0], []], "sort": [[0.001, 0.002], [1.0]]}}  # fmt: skip
    figure = plots.strip_map(rows, {"copy": ("20", "40"), "sort": ("5", "10")})
    axis = figure.axes[0]
    texts = [text.get_text() for text in axis.texts]
    assert {"copy", "sort", "20", "10", "LSTM", "DNC"} <= set(texts)
    assert {"0", "0.90", "12", "0.00", "1.00"} <= set(texts)
    assert "–\nnot trained: no time" in texts and "–" in texts
    dots = [np.asarray(o.get_xdata()).tolist() for o in axis.lines if o.get_marker() == "o"]
    assert [len(one) for one in dots] == [1, 3, 1, 0, 2, 1]
    low, high, over = dots[1]
    assert low < high < over  # and 1.4 stands where a coin does
    squares = [patch for patch in rectangles(axis) if patch.get_width() < 0.4]
    assert over < squares[1].get_x() + squares[1].get_width()
    assert nothing_is_cut_off(figure)


def test_learning_curves_on_a_linear_axis() -> None:
    histories = {"lstm": History([2000, 4000], [0.0] * 2, [150.0, 130.0], [0.0] * 2, [0.0] * 2)}
    figure = plots.learning_curves(
        histories, goal=128.0, goal_name="optimum", between=(126.0, 140.0)
    )
    (axis,) = figure.axes
    assert axis.get_yscale() == "linear"
    assert axis.get_ylim() == (126, 140)
    assert [text.get_text() for text in axis.texts] == ["optimum: 128 bits"]


def test_difficulty_maps_show_the_share_of_wrong_bits() -> None:
    def result(wrong: int) -> Evaluation:
        return Evaluation(torch.zeros(2), torch.tensor([wrong, 0]), torch.tensor([50, 50]))

    found = {(4, 1): result(0), (4, 2): result(1), (12, 1): result(10), (12, 2): result(50)}
    figure = plots.difficulty_maps({"lstm": found, "mine": found}, trained_to=(10, 2))
    for axis, title in zip(figure.axes[:2], ("LSTM", "mine"), strict=True):
        assert axis.get_title(loc="left") == title
        assert np.allclose(np.asarray(axis.images[0].get_array()), [[1e-4, 0.1], [0.01, 0.5]])
        assert [label.get_text() for label in axis.get_xticklabels()] == ["4", "12"]
        frame = rectangles(axis)[0]
        assert (*frame.get_xy(), frame.get_width(), frame.get_height()) == (-0.5, -0.5, 1, 2)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("length", "repeats")
    assert figure.axes[0].images[0].norm.vmax == 0.5
    assert nothing_is_cut_off(figure)
    assert not rectangles(plots.difficulty_maps({"lstm": found}).axes[0])


def test_shares_by_repetition_and_where_training_ended() -> None:
    panels = {"copied": {"lstm": [0.1, 0.2, 0.4], "mine": [0.0, 0.0, 0.5]}, "end": {"lstm": [0, 1]}}
    figure = plots.by_repetition(panels, trained_to=2)
    copied, end = figure.axes
    assert [axis.get_title(loc="left") for axis in (copied, end)] == ["copied", "end"]
    assert np.array_equal(copied.lines[0].get_xydata(), [[1, 0.1], [2, 0.2], [3, 0.4]])
    assert copied.lines[2].get_xdata() == [2.5, 2.5]
    assert len(end.lines) == 1  # nothing there lies beyond training


def training_record(bits: list[float | None], medians: list[float]) -> dict[str, Any]:
    return {
        "recipe": {"training": {"batch_size": 10}},
        "history": {"sequences": [1000, 2000], "validation_bits": bits},
        "gradient": {"medians": medians, "maxima": [9 * x for x in medians], "updates_a_point": 4},
    }


def test_trainings_show_costs_and_the_lengths_of_gradients() -> None:
    records = {
        "intact": [training_record([50.0, 0.1], [1.0, 2.0])],
        "broken": [training_record([900.0, None], [3.0])] * 2,
    }
    figure = plots.trainings(records, clip=10.0)
    cost, length = figure.axes
    first, _, second, *_ = cost.lines  # an empty one after each group is for the legend
    assert np.allclose(first.get_xdata(), [1, 2]) and np.allclose(first.get_ydata(), [50, 0.1])
    assert np.allclose(second.get_ydata(), [400, np.nan], equal_nan=True)
    medians, maxima, *rest, clip = length.lines
    assert np.allclose(medians.get_xdata(), [0.02, 0.06])  # the middle of four batches of ten
    assert np.allclose(medians.get_ydata(), [1, 2]) and np.allclose(maxima.get_ydata(), [9, 18])
    assert len(rest) == 4 and set(np.asarray(clip.get_ydata())) == {10}
    assert cost.get_yscale() == length.get_yscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["intact", "broken"]
    assert first.get_color() == medians.get_color() != second.get_color()
    assert nothing_is_cut_off(figure)


def test_results_by_difficulty() -> None:
    def result(*wrong: int) -> Evaluation:
        return Evaluation(
            torch.zeros(len(wrong)), torch.tensor(wrong), torch.ones(len(wrong)).int()
        )

    results = {"lstm": {20: result(4, 0), 10: result(0, 0)}, "ntm-lstm": {10: result(0, 1)}}
    figure = plots.by_difficulty(results, name="items", trained_to=15)
    wrong, perfect = figure.axes
    for axis, expected in ((wrong, ([0, 2], [0.5])), (perfect, ([1, 0.5], [0.5]))):
        assert [list(line.get_xdata()) for line in axis.lines] == [[10, 20], [10]]
        assert [list(line.get_ydata()) for line in axis.lines] == [*map(list, expected)]
        assert axis.get_xlabel() == "items"
        assert rectangles(axis)[0].get_width() == 15
    assert (wrong.get_ylabel()[:10], perfect.get_ylabel()[:5]) == ("mean wrong", "share")
    assert nothing_is_cut_off(figure)


def test_cost_by_difficulty() -> None:
    none = torch.zeros(2).int()
    found = {n: Evaluation(torch.tensor([1.0, n]), none, none) for n in (6, 20)}
    cost, _ = plots.by_difficulty({"lstm": found}, name="items", cost=True).axes
    assert list(cost.lines[0].get_ydata()) == [3.5, 10.5]
    assert cost.get_ylabel() == "bits per sequence"


# --- sorting -------------------------------------------------------------------------------------


@each(("items", "answers"), [(20, 16), (5, 3), (1, 1), (40, 32)])
def test_sorting_leads_each_vector_to_its_place(items: int, answers: int) -> None:
    batch = episode("priority-sort", items=items, answers=answers)
    figure = plots.sorting(batch, index=1)
    given, due = batch.inputs[:items, 1], batch.targets[items + 1 :, 1]
    assert shows(figure, given[:, :8], due)
    heights, _, _, links, _ = figure.axes
    assert np.allclose(bars(heights), given[:, 8])
    assert len(links.lines) == 2 * answers  # each has an edge below it
    for edge, line in zip(links.lines[::2], links.lines[1::2], strict=True):
        (x, place), (high, low) = (
            np.asarray(ends)[[0, -1]] for ends in (line.get_xdata(), line.get_ydata())
        )
        assert torch.equal(given[round(x), :8], due[round(place)]) and high > 0.9 > 0.1 > low
        share = float(given[round(x), 8] + 1) / 2
        assert np.allclose(to_rgba(line.get_color()), plots.SIGNED(share), atol=0.01)
        assert edge.get_linewidth() > line.get_linewidth()
    assert nothing_is_cut_off(figure)


def test_fitted_locations_stand_on_what_was_written() -> None:
    eye, line = torch.eye(10), torch.tensor([8.2, 9.6, 10.4])
    write, read = eye[[8, 9, 1]], eye[[1, 0, 9, 8]]
    predicted, observed, reading, _ = plots.fitted_locations(line, write, read).axes
    rows = [7, 8, 9, 0, 1, 2]
    for axis, panel in ((observed, write), (reading, read)):
        assert np.allclose(np.asarray(axis.images[0].get_array()).T, panel[:, rows])
    for axis in (predicted, observed):
        across, down = np.asarray(axis.collections[0].get_offsets()).T
        assert across.tolist() == [0, 1, 2] and np.allclose(down, line - 7)
    labels = [int(label.get_text()) for label in predicted.get_yticklabels()]
    assert labels == [rows[int(tick)] for tick in predicted.get_yticks()]
    places = [label.get_text() for label in reading.get_xticklabels()]
    assert places == ["1", "2", "3", "4"], "places count from 1"


def test_fitted_locations_show_the_ring_at_most_once() -> None:
    even = torch.full((3, 10), 0.3)
    figure = plots.fitted_locations(torch.tensor([-9.0, 4.0, 22.0]), even, even)
    assert images(figure)[1].shape == (3, 10)
    assert nothing_is_cut_off(figure)


# --- associative recall --------------------------------------------------------------------------


def test_recall_steps_group_the_steps_by_items() -> None:
    table = random(2, 12)
    figure = plots.recall_steps(table, "wrong bits")
    axis, bar = figure.axes
    assert shows(figure, table.T)
    assert [text.get_text() for text in axis.texts] == ["item 1", "item 2", "item 3"]
    assert [text.get_position()[0] for text in axis.texts] == [1.5, 5.5, 9.5]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "item 1 asked",
        "item 2 asked",
    ]
    assert [label.get_text() for label in axis.get_xticklabels()][:2] == ["1", "2"]
    assert bar.get_ylabel() == "wrong bits"
    assert nothing_is_cut_off(figure)
    named = plots.recall_steps(table, "wrong bits", ["vector 1", "vector 2"]).axes[0]
    assert [label.get_text() for label in named.get_yticklabels()] == ["vector 1", "vector 2"]


# --- predictions of a sequence of bits -----------------------------------------------------------


def strips(figure: Figure) -> list[list[float]]:
    """Return what each row of greys shows; blank is -1."""
    panels = [axis for axis in figure.axes if axis.images]
    return [
        [round(x, 6) for x in np.ma.filled(axis.images[0].get_array(), -1)[0].tolist()]
        for axis in panels
    ]


def predictions_of(
    rows: dict[str, torch.Tensor],
    arrows: dict[str, dict[str, int]] | None = None,
    shown: tuple[int, int] | None = None,
    against: str = "",
) -> Figure:
    """Draw predictions of nine random bits."""
    return plots.predictions(plots.Excerpt(random(9), rows, arrows or {}, shown), against=against)


def test_predictions_stand_below_the_bit_that_they_are_about() -> None:
    bits = torch.tensor([0.0, 1, 1, 0, 1, 0, 1, 1])
    said = torch.tensor([0.9, 0.9, 0.9, 0.9, 0.1, 0.2, 0.3])  # the last is about the eighth bit
    rows = {"Optimal": said, "NTM": 1 - said, "LSTM": said}
    figure = plots.predictions(plots.Excerpt(bits, rows, {"NTM": {"A": 7}}))
    top, optimal, ntm, _ = strips(figure)
    assert top == bits.tolist()
    assert optimal == pytest.approx([-1] * 5 + [0.1, 0.2, 0.3])
    assert ntm == pytest.approx([-1] * 5 + [0.9, 0.8, 0.7])
    panels = [axis for axis in figure.axes if axis.images]
    assert [axis.get_ylabel() for axis in panels] == ["Input", "Optimal", "NTM", "LSTM"]
    assert panels[-1].get_xlabel() == "bit"
    for axis in panels:
        left, right = axis.get_xlim()
        assert (left, right) == (0.5, 8.5)
    assert [arrows(axis) for axis in panels] == [[], [], [(7, 0)], []], "under the row they mark"
    assert [text.get_text() for text in panels[2].texts] == ["A"]
    assert nothing_is_cut_off(figure)


def test_predictions_beside_each_other_and_how_far_they_are_from_one_of_them() -> None:
    bits, said = random(200, seed=1).round(), random(199)
    other = said.flip(0)
    rows = {"Optimal": said, "NTM": other}
    lens = plots.Excerpt(bits, rows, {"NTM": {"B": 30, "A": 20}}, (20, 40))
    figure = plots.predictions(plots.Excerpt(bits, rows), lens, against="Optimal")
    _, _, _, whole, top, optimal, ntm, apart = strips(figure)
    assert top == bits[19:40].tolist()
    assert optimal == pytest.approx(said[18:39].tolist(), abs=1e-5)
    assert ntm == pytest.approx(other[18:39].tolist(), abs=1e-5)
    assert apart == pytest.approx((said - other)[18:39].abs().tolist(), abs=1e-5)
    assert whole[19:40] == apart and whole[:5] == [-1] * 5
    axis = [axis for axis in figure.axes if axis.images][-1]
    assert axis.get_xlim() == (19.5, 40.5)
    assert axis.get_xticks()[0] == 20
    assert arrows(axis) == [(30, 0), (20, 0)]
    assert [text.get_text() for text in axis.texts] == ["B", "A"]
    assert nothing_is_cut_off(figure)


@each("length", [6, 100, 200, 600])
def test_predictions_have_whole_pixels(length: int) -> None:
    figure = plots.predictions(plots.Excerpt(torch.ones(length), {"NTM": torch.ones(length - 1)}))
    axis = next(axis for axis in figure.axes if axis.images)
    pixels = axis.get_position().width * figure.get_figwidth() * figure.dpi / length
    assert pixels == pytest.approx(round(pixels))
    assert pixels >= 1


def test_along_averages_in_windows() -> None:
    values = torch.tensor([[1.0, 3.0], [3.0, 5.0], [0.0, 0.0], [4.0, 8.0], [99.0, 99.0]])
    figure = plots.along({"lstm": values, "other": 2 * values}, window=2, first=6, label="waste")
    (axis,) = figure.axes
    one, other = axis.lines
    assert list(one.get_xdata()) == [6.5, 8.5]
    assert list(one.get_ydata()) == [3, 3]
    assert list(other.get_ydata()) == [6, 6]
    band = np.asarray(axis.collections[0].get_paths()[0].vertices)[:, 1]
    assert (band.min(), band.max()) == (2, 4)  # the second window's means are 2 and 4
    assert axis.get_ylabel() == "waste"
    assert axis.get_ylim()[0] == 0
    assert one.get_label() == "LSTM"


def test_visits_points_at_steps_in_two_colours() -> None:
    greys, inside = random(30), random(30, 8) - 0.5
    figure = plots.visits(
        {"Input": greys},
        {"adds": inside, "weighting": inside.abs()},
        {"weighting": {"context 1": [3, 9], "context 2": [4]}},
        names={"weighting": list("abcdefgh")},
    )
    shown = images(figure)
    assert np.allclose(shown[0][:, 0], greys)
    assert np.allclose(shown[1], inside)
    assert np.allclose(shown[2], inside.abs())
    below = next(axis for axis in figure.axes if axis.get_title(loc="left") == "weighting")
    assert arrows(below) == [(3, 0), (9, 0), (4, 0)]
    assert [label.get_text() for label in below.get_yticklabels()] == list("abcdefgh")
    colours = [text.get_color() for text in below.texts]
    assert colours[0] == colours[1] == plots.MARK != colours[2]
    assert any("context 2" in text.get_text() for text in figure.texts)
    assert nothing_is_cut_off(figure)


# --- style and diagrams --------------------------------------------------------------------------


def lightness(colour: Any) -> float:
    """CIE L* of a colour."""
    channels = np.asarray(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16)


def test_signed_colours_are_perceptual() -> None:
    """Values of opposite sign look equally far from zero, and farther values lighter."""
    levels = np.linspace(0.05, 1, 20)
    above = np.array([lightness(plots.SIGNED(0.5 + level / 2)[:3]) for level in levels])
    below = np.array([lightness(plots.SIGNED(0.5 - level / 2)[:3]) for level in levels])
    assert np.abs(above - below).max() < 4
    assert (np.diff(above) > 0).all()
    assert (np.diff(below) > 0).all()


def test_figures_are_opaque_light_and_as_wide_as_a_page() -> None:
    figure = plots.sequence({"bits": random(60, 8)})
    assert figure.dpi == 100
    assert figure.get_size_inches()[0] == pytest.approx(7)
    assert to_rgba(figure.get_facecolor())[3] == 1
    assert lightness(figure.get_facecolor()) > 95


@each("draw", DIAGRAMS)
def test_diagrams_fit_the_page(draw: Callable[[], Figure]) -> None:
    figure = draw()
    assert figure.get_size_inches()[0] == plots.WIDTH
    assert nothing_is_cut_off(figure)


@each("draw", DIAGRAMS)
def test_texts_of_diagrams_do_not_overlap(draw: Callable[[], Figure]) -> None:
    figure = draw()
    figure.canvas.draw()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    overlapping = [
        (texts[i].get_text(), texts[j].get_text())
        for i in range(len(texts))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]
    assert len(texts) > 5
    assert not overlapping


def test_addressing_draws_the_equations() -> None:
    """Stages computed here by plain loops, from what the diagram says it was given."""
    stages = diagrams.addressing_stages()
    content, previous, moves = (stages[name] for name in ("content", "previous", "moves"))
    count = len(content)
    gated = diagrams.GATE * content + (1 - diagrams.GATE) * previous
    shifted = torch.zeros(count)
    for i in range(count):
        for move, weight in zip((-1, 0, 1), moves, strict=True):
            shifted[(i + move) % count] += gated[i] * weight
    final = shifted**diagrams.SHARPENING
    assert torch.allclose(stages["gated"], gated)
    assert torch.allclose(stages["shifted"], shifted)
    assert torch.allclose(stages["final"], final / final.sum(), atol=1e-6)
    heights = torch.tensor(bars(diagrams.addressing().axes[0]))
    for name in ("content", "previous", "gated", "shifted", "final"):
        charts = heights.unfold(0, count, 1)
        charts = charts / charts.sum(1, keepdim=True)  # a weighting sums to one
        assert torch.isclose(charts, stages[name], atol=1e-6).all(1).any(), name


def test_write_draws_the_equations() -> None:
    stages = diagrams.write_stages()
    weights = stages["weighting"].unsqueeze(1)
    erased = stages["before"] * (1 - weights * stages["erase"])
    assert torch.allclose(stages["erased"], erased)
    assert torch.allclose(stages["after"], erased + weights * stages["add"])
    drawn = [torch.as_tensor(image.get_array()) for image in diagrams.write().axes[0].images]
    for name in ("before", "erase", "erased", "add", "after"):
        values = torch.atleast_2d(stages[name])
        assert any(one.shape == values.shape and torch.allclose(one, values) for one in drawn), name


def test_memories_of_the_comparison_keep_every_item() -> None:
    found = [torch.as_tensor(image.get_array()) for image in diagrams.lstm_and_ntm().axes[0].images]
    memories = [values for values in found if values.shape == (6, 4)]
    vectors = [values for values in found if values.shape == (1, 4)]
    assert len(memories) == 5
    assert all(any(torch.equal(row, one[0]) for one in vectors) for row in memories[-1][:5])


def test_unrolled_passes_memory_weightings_and_reads_on() -> None:
    """Each step reads what the step before wrote, and leaves all other rows nearly as they were."""
    stages = diagrams.unrolled_stages()
    for before, after in itertools.pairwise(stages):
        reading, writing = after["weighting"]
        assert torch.allclose(after["read"], reading @ before["memory"])
        kept = (1 - writing).unsqueeze(1)  # of each row; every erase vector is all ones
        assert ((after["memory"] - kept * before["memory"]) >= -1e-6).all()
        assert reading.argmax() == before["weighting"][1].argmax()
        assert writing.argmax() == reading.argmax() + 1
    drawn = [torch.as_tensor(one.get_array()) for one in diagrams.unrolled().axes[0].images]
    expected = [torch.atleast_2d(stage[name]) for stage in stages for name in ("memory", "read")]
    assert len(drawn) == len(expected)
    assert all(map(torch.equal, drawn, expected))


# --- what is refused -----------------------------------------------------------------------------

CASE = ("case", torch.zeros(3, 2), torch.zeros(3, 2))


@pytest.mark.bad_input
@each(
    ("call", "words"),
    [
        (lambda: plots.sequence({}), "something to draw"),
        (lambda: plots.sequence({"bits": torch.zeros(3)}), r"bits: expected shape \(T channels\)"),
        (lambda: plots.sequence({"a": random(3, 1), "b": random(4, 1)}), "same number of steps"),
        (lambda: plots.episode(episode(), index=2), "index: .* from 0 to 1, got 2"),
        (lambda: plots.episode(episode(), torch.zeros(3, 1, 8)), "outputs: expected shape"),
        (lambda: plots.episode(episode(length=1), torch.ones(3, 2, 8) * 4), "sigmoid"),
        (lambda: plots.targets_and_outputs([]), "something to draw"),
        (lambda: plots.targets_and_outputs([("case", random(3, 2), random(3, 1))]), "case: exp"),
        (lambda: plots.targets_and_outputs([("case", random(3, 2), -random(3, 2))]), "sigmoid"),
        (lambda: plots.targets_and_outputs([CASE], marks="bad"), "marks: expected 'wrong'"),
        (lambda: plots.weighting_bars({"a": random(3), "b": random(4)}), "number of locations"),
        (lambda: plots.matrices({"a": random(3)}), "expected shape"),
        (lambda: plots.learning_curves({}), "something to draw"),
        (lambda: plots.learning_curves({"lstm": []}), "something to draw"),
        (lambda: plots.curve_panels({}), "something to draw"),
        (lambda: plots.strips({}, label="bits"), "something to draw"),
        (lambda: plots.trainings({"intact": []}), "something to draw"),
        (lambda: plots.strip_map({}, {"copy": ("20",)}), "something to draw"),
        (lambda: plots.strip_map({"lstm": {"copy": [[0.0]]}}, {}), "something to draw"),
        (lambda: plots.strip_map({"lstm": {"copy": [[0.0]]}}, {"copy": "ab"}), "2 tests for lstm"),
        (lambda: plots.sorting(episode()), "episode: expected 10 input channels"),
        (lambda: plots.sorting(episode("priority-sort"), index=2), "index: .* from 0 to 1, got 2"),
        (lambda: plots.fitted_locations(random(3), random(4, 9), random(2, 9)), "same number of"),
        (lambda: plots.fitted_locations(random(3), random(3, 9), random(2, 8)), "of locations"),
        (lambda: plots.by_difficulty({}), "something to draw"),
        (lambda: plots.recall_steps(random(2, 10), "bits"), "table: expected a multiple of 4"),
        (lambda: plots.predictions(), "something to draw"),
        (lambda: predictions_of({}), "something to draw"),
        (lambda: predictions_of({"NTM": random(9)}), r"NTM: .*\(8,\), got \(9,\)"),
        (lambda: predictions_of({"NTM": random(8) + 9}), "NTM: .*probabilities"),
        (lambda: predictions_of({"NTM": random(8)}, {"NTM": {"A": 0}}), "arrows: .* 1 to 9"),
        (lambda: predictions_of({"NTM": random(8)}, {"LSTM": {"A": 2}}), "arrows: .*'LSTM'"),
        (lambda: predictions_of({"NTM": random(8)}, shown=(3, 10)), "shown: expected two bits"),
        (lambda: predictions_of({"NTM": random(8)}, against="best"), "rows: .*against='best'"),
        (lambda: plots.along({}, window=2), "something to draw"),
        (lambda: plots.along({"a": random(3, 2)}, window=4), "window: expected at most 3"),
        (lambda: plots.along({"a": random(3, 2)}, window=0), "window: .*at least 1"),
        (lambda: plots.visits({"a": random(3)}, {"b": random(4, 2)}, {}), "same number of steps"),
        (lambda: plots.visits({"a": random(3)}, {"b": random(3, 2)}, {"c": {}}), "marks: .*'c'"),
    ],
)
def test_refused(call: Callable[[], Figure], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.bad_input
def test_memory_use_refuses() -> None:
    batch = episode(length=2)
    model = NTM(9, 8, memory_locations=8, memory_width=4)
    with torch.no_grad():
        logits, trace = model.trace(batch.inputs)
    with pytest.raises(ValueError, match=r"index: .* from 0 to 1, got 5"):
        plots.memory_use(batch, logits, trace, index=5)
    with pytest.raises(ValueError, match=r"^head: .* from 0 to 0, got 1"):
        plots.memory_use(batch, logits, trace, head=1)
    with pytest.raises(ValueError, match=r"write_head: .* from 0 to 0, got 1"):
        plots.memory_use(batch, logits, trace, write_head=1)
    for frame, words in (
        (plots.Frame("memory", (1, 2)), "frames: expected steps of one of"),
        (plots.Frame("inputs", (3, 2)), "frames: expected steps of one of"),
        (plots.Frame("inputs", (0, 9)), "frames: expected steps of one of"),
    ):
        with pytest.raises(ValueError, match=words):
            plots.memory_use(batch, logits, trace, frames=[frame])
