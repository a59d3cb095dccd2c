"""Chapters 7 and 8: copy and repeat copy, of random sequences and of a reader's own."""

import html
from typing import Any

import torch
from torch import Tensor

from ntm_tutorial import plots
from ntm_tutorial.analysis import mistakes
from ntm_tutorial.checks import as_numbers, whole
from ntm_tutorial.evaluation import testing_seed, wrong_bits
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.tasks import TASKS, Episode
from ntm_tutorial.tasks.copy import Copy
from ntm_tutorial.tasks.repeat_copy import RepeatCopy
from ntm_tutorial.widgets import explorer as ui
from ntm_tutorial.widgets.shelf import Models, Shelf, draw_lanes, focus_of, wrong_per_step


def copy_explorer(models: Models = None, sequence: Any = None, *, length: int = 20) -> ui.Explorer:
    """Copy random sequences of any length, with any of the models.

    Args:
        models: your own, by name, beside those that come trained.
        sequence: your own vectors (L, 8), zeros and ones; they have the sequence number 0.
        length: the length to start with.

    Raises:
        ValueError: if a model is none, the sequence is not made of bits, or a number is out of
            range.
    """
    shelf, own = Shelf("copy", models), own_bits(sequence, (Copy.bits,))
    length = whole("length", length, most=ui.LONGEST) if own is None else len(own)

    def draw(length: int, model: str, number: int) -> ui.Drawing:
        drawing = _draw_copy(shelf, numbered_episode("copy", own, number, length), model)
        return ending(drawing, own, number, "length", most)

    number, button = ui.sequence_number()
    tip, most = "How many vectors to copy; the models were trained on 1 to 20", max(120, length)
    controls = {
        "length": ui.make_slider("Length", tip, length, 1, most),
        "model": shelf.choice(shelf.names, "Model", "Who copies"),
        "number": number,
    }
    return ui.Explorer(draw, controls, ui.row_of(controls, number=[button]))


def _draw_copy(shelf: Shelf, episode: Episode, name: str) -> ui.Drawing:
    answer = episode.mask
    length = int(answer.sum())
    panels = [("targets", episode.targets[answer, 0])]
    run = shelf.run(name, episode.inputs)
    if isinstance(run, str):
        words, alt = run, f"The targets for length {length}."
    else:
        mistaken = wrong_per_step(run.logits, episode)[answer]
        panels += [("outputs", run.logits[answer, 0].sigmoid()), ("wrong bits", mistaken)]
        wrong, asked = int(wrong_bits(run.logits, episode)), Copy.bits * length
        right = int((mistaken == 0).long().cumprod(0).sum())
        words = (
            f"<b>{html.escape(shelf.label(name))}</b>, length {length}: {wrong:,} of "
            f"{asked:,} bits wrong. Right from the start: {right} of {length} vectors."
        )
        alt = (
            f"Targets, outputs and wrong bits of {shelf.label(name)} at length {length}: "
            f"{wrong:,} of {asked:,} bits are wrong."
        )
    return ui.Drawing(plots.timeline(panels), alt, ui.paragraphs([words]))


def repeat_copy_explorer(
    models: Models = None, sequence: Any = None, *, length: int = 10, repeats: int = 20
) -> ui.Explorer:
    """Repeat sequences of any length any number of times, and walk through an NTM's memory.

    It starts with your first model; without one, with the NTM that has an LSTM controller.

    Args:
        models: your own, by name, beside those that come trained.
        sequence: your own vectors (L, 8), zeros and ones; they have the sequence number 0.
        length: the length to start with.
        repeats: the repeats to start with.

    Raises:
        ValueError: if a model is none, the sequence is not made of bits, or a number is out of
            range.
    """
    shelf, own = Shelf("repeat-copy", models), own_bits(sequence, (RepeatCopy.bits,))
    length = whole("length", length, most=ui.LONGEST) if own is None else len(own)
    repeats = whole("repeats", repeats, most=max(30, ui.LONGEST // length))

    def draw(
        length: int, repeats: int, models: tuple[str, ...], number: int, step: int
    ) -> ui.Drawing:
        episode = numbered_episode("repeat-copy", own, number, length, repeats)
        drawing = _draw_repeat_copy(shelf, episode, models, min(step, len(episode.inputs) - 1))
        return ending(drawing, own, number, "length", most)

    number, button = ui.sequence_number()
    tips, most = "The models were trained on 1 to 10", max(30, length)
    controls = {
        "length": ui.make_slider("Length", f"Vectors to copy. {tips}", length, 1, most),
        "repeats": ui.make_slider(
            "Repeats", f"How often to copy them. {tips}", repeats, 1, max(30, repeats)
        ),
        "models": shelf.choices(),
        "number": number,
        "step": ui.make_slider(
            "Step", "Which step's memory to show", length + 1, 0, length * (repeats + 1) + 1
        ),
    }
    return ui.Explorer(draw, controls, ui.row_of(controls, number=[button]))


def _draw_repeat_copy(
    shelf: Shelf, episode: Episode, names: tuple[str, ...], step: int
) -> ui.Drawing:
    length, repeats = episode.one("length"), episode.one("repeats")
    bits_and_delimiter = episode.inputs[:, 0, : RepeatCopy.bits + 1]
    panels = [("inputs", bits_and_delimiter), ("targets", episode.targets[:, 0])]

    def inside(label: str, trace: NTMTrace) -> list[str]:
        where = f"{_phase(step, length, repeats)}; {focus_of(trace, step)}"
        return [f"Memory of {label} after step {step}, {where}."]

    seen = f"Length {length}, repeats {repeats}. Inputs, targets and outputs. "
    return draw_lanes(shelf, names, episode, step, panels, seen, [], _repeat_score, inside)


def _repeat_score(logits: Tensor, episode: Episode) -> str:
    """Count the wrong copied bits, and the others: the end marker's and the last step's."""
    found = mistakes(logits, episode)
    repeats, length, _ = found.copied.shape
    asked = RepeatCopy.bits * repeats * length
    others = RepeatCopy.output_size * int(episode.mask.sum()) - asked
    ends = [str(r + 1) for r in found.ended[:, 0].nonzero().flatten().tolist()]
    said = f"after repetition {', '.join(ends[:12])}{' …' * (len(ends) > 12)}" if ends else "never"
    return (
        f"{int(found.copied.sum()):,} of {asked:,} copied bits wrong, the first "
        f"{int(found.right_repetitions)} of {repeats} repetitions all right; of the end marker and "
        f"the last step {int(found.end)} of {others} bits wrong. It says “end” {said}."
    )


def _phase(step: int, length: int, repeats: int) -> str:
    """Say what is due at a step."""
    if step < length:
        return f"input of vector {step + 1} of {length}"
    if step == length:
        return f"delimiter and repeat count {repeats}"
    repetition, vector = divmod(step - length - 1, length)
    if repetition == repeats:
        return "where the end marker is due"
    return f"repetition {repetition + 1} of {repeats}, vector {vector + 1} of {length}"


def ending(
    drawing: ui.Drawing, own: Tensor | None, number: int, slider: str, most: int
) -> ui.Drawing:
    """Let a slider end where the reader's own sequence, of any shape, does while that is shown."""
    end = len(own) if own is not None and number == 0 else most
    return drawing._replace(ends={**drawing.ends, slider: end})


def own_bits(sequence: Any, shape: tuple[int, ...], least: int = 1) -> Tensor | None:
    """Return a reader's own vectors (K, 8) or items (K, 3, 6), ``least`` of them or more.

    Raises:
        ValueError: if they are not of that shape, or not of zeros and ones.
    """
    if sequence is None:
        return None
    bits = as_numbers("sequence", sequence)
    if bits.dim() == len(shape) + 2 and bits.shape[1] == 1:
        bits = bits[:, 0]
    if bits.shape[1:] != shape or len(bits) < least:
        one, given = ", ".join(map(str, shape)), tuple(bits.shape)
        raise ValueError(f"sequence: expected shape (K, {one}), K at least {least}, got {given}")
    if not bool(((bits == 0) | (bits == 1)).all()):
        raise ValueError("sequence: expected zeros and ones")
    return bits


def numbered_episode(
    task_name: str, own: Tensor | None, number: int, length: int, repeats: int = 1
) -> Episode:
    """Sample a sequence by its number, from the testing seeds; 0 is the reader's own, if given.

    ``own`` holds vectors (L, bits).

    Raises:
        ValueError: if the length, or the number of repeats, is below 1.
    """
    vectors = own[:length] if own is not None and number == 0 else None
    length = length if vectors is None else len(vectors)
    generator = torch.Generator().manual_seed(testing_seed(number))
    difficulty = {"length": length} | ({"repeats": repeats} if task_name == "repeat-copy" else {})
    episode = TASKS[task_name].sample(1, generator=generator, **difficulty)
    if vectors is not None:
        episode.inputs[:length, 0, : vectors.shape[1]] = vectors
        copies = vectors.repeat(repeats, 1)
        episode.targets[length + 1 :, 0, : vectors.shape[1]][: len(copies)] = copies
    return episode
