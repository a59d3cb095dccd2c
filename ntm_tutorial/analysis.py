"""What the chapters ask of answers and traces, beyond their score; a section a task."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ntm_tutorial.checks import check_inputs, check_positive, check_shapes, telling, whole
from ntm_tutorial.tasks.associative_recall import AssociativeRecall
from ntm_tutorial.tasks.base import Episode
from ntm_tutorial.tasks.repeat_copy import RepeatCopy

# --- repeat copy --------------------------------------------------------------------------------


class Mistakes(NamedTuple):
    """Where answers went wrong, ``R`` repetitions of ``L`` vectors, for each of ``B`` sequences.

    Attributes:
        copied: wrong bits, 0 to 8, of each vector in each repetition.
        ended: whether an end marker came at the step after each repetition. Only the last is due.
        stray: end markers at all other steps.
        last: wrong bits beside the end marker at the last step, where no vector is due.
    """

    copied: Int[Tensor, "R L B"]
    ended: Bool[Tensor, "R B"]
    stray: Int[Tensor, "B"]
    last: Int[Tensor, "B"]

    @property
    def end(self) -> Int[Tensor, "B"]:
        """Wrong bits that are not copied ones: the end marker's, and the last step's."""
        return self.ended[:-1].sum(0) + ~self.ended[-1] + self.stray + self.last

    @property
    def displaced(self) -> Int[Tensor, "B"]:
        """Those wrong copied bits whose step went to an end marker too early."""
        return (self.copied[1:, 0] * self.ended[:-1]).sum(0)

    @property
    def right_repetitions(self) -> Int[Tensor, "B"]:
        """Repetitions before the first wrong copied bit."""
        return (self.copied.sum(1) == 0).long().cumprod(0).sum(0)


@telling
def mistakes(logits: Float[Tensor, "T B O"], episode: Episode) -> Mistakes:
    """Sort the wrong bits of repeat copies; ``copied`` and ``end`` add up to ``wrong_bits``.

    Raises:
        ValueError: if the logits are not of the targets' shape, or the sequences differ in length
            or repeats.
    """
    check_shapes("TBO TBO", targets=episode.targets, logits=logits)
    length, _ = (episode.one(name) for name in ("length", "repeats"))
    answers, targets = logits[length + 1 :] > 0, episode.targets[length + 1 :] > 0.5
    wrong = (answers != targets)[..., : RepeatCopy.bits].sum(-1)
    marker = answers[..., RepeatCopy.bits]
    ended = marker[length::length]
    return Mistakes(
        copied=wrong[:-1].unflatten(0, (-1, length)),
        ended=ended,
        stray=marker.sum(0) - ended.sum(0),
        last=wrong[-1],
    )


# --- associative recall -------------------------------------------------------------------------


@telling
def phase(step: int, items: int) -> str:
    """Say in words what comes in, or is due, at a step of a sequence of so many items.

    Items and vectors are counted from 1, as a reader counts them.

    Raises:
        ValueError: if there is no such step.
    """
    check_positive(items=items)
    span = AssociativeRecall.item_length + 1
    item, part = divmod(whole("step", step, 0, span * (items + 2) - 1), span)
    if item > items:
        after = step - span * (items + 1)
        return f"vector {after} of the answer is due" if after else "delimiter after the query"
    if part:
        return f"vector {part} of {f'item {item + 1}' if item < items else 'the query'}"
    if item == 0:
        return "delimiter before item 1"
    return f"delimiter after item {item}" + " and before the query" * (item == items)


@telling
def last_written(memory: Float[Tensor, "T B N M"]) -> Int[Tensor, "T B N"]:
    """Return for each location, at each step, the last step that wrote there; -1 for none.

    A step wrote where it changed a row by 0.5 or more, in Euclidean distance. What the first step
    wrote is not seen, as nothing is known of the memory before it.

    Args:
        memory: as each step left it, such as ``NTMTrace.memory``.

    Raises:
        ValueError: if ``memory`` has another shape.
    """
    check_inputs("memory", memory, ("T", "B", "N", "M"))
    wrote = memory.diff(dim=0).norm(dim=-1) >= 0.5
    steps = torch.arange(1, len(memory), device=memory.device)[:, None, None]
    none = torch.full_like(memory[:1, ..., 0], -1, dtype=torch.long)
    return torch.cat([none, steps.where(wrote, -1)]).cummax(dim=0).values


# --- priority sort ------------------------------------------------------------------------------


@telling
def right_rows(logits: Float[Tensor, "T B O"], episode: Episode) -> Bool[Tensor, "A B"]:
    """Tell for each answer whether its vector is right, with all its bits; a logit above 0 says 1.

    Raises:
        ValueError: if the logits are not of the targets' shape, or the sequences differ in items
            or answers.
    """
    check_shapes("TBO TBO", targets=episode.targets, logits=logits)
    for name in ("items", "answers"):
        episode.one(name)
    return ((logits > 0) == (episode.targets > 0.5)).all(-1)[episode.mask]


class Fit(NamedTuple):
    """Where one head was, as a linear function of a number.

    Attributes:
        head: which head.
        slope: locations for a step of one in the number.
        intercept: the location at 0.
        r_squared: the share of the locations' variance that the line explains, 0 to 1; 0 for a
            head that stays where it is, because then there is nothing to explain.
        locations: where the head had its largest weight; see ``unroll``.
    """

    head: int
    slope: float
    intercept: float
    r_squared: float
    locations: Int[Tensor, "T B"]


@telling
def fit_heads(weighting: Float[Tensor, "T B H N"], x: Float[Tensor, "T B"]) -> list[Fit]:
    """Fit a line to each head's locations by least squares; the closest fit comes first.

    The paper does so with the write heads of its priority sort, where ``x`` is the priority of the
    vector that came in (Figure 17).

    Args:
        weighting: where the heads were.
        x: a number for each step.

    Raises:
        ValueError: if ``x`` has not one number for each step and sequence, or all are equal.
    """
    check_inputs("weighting", weighting, ("T", "B", "H", "N"))
    check_inputs("x", x, tuple(weighting.shape[:2]))
    numbers = x.flatten().cpu().double().numpy()
    if np.ptp(numbers) == 0:
        raise ValueError(f"x: expected numbers that differ, got {x.flatten()[0]:g} everywhere")
    fits = []
    for head in range(weighting.shape[2]):
        locations = unroll(weighting[:, :, head].argmax(-1), weighting.shape[-1])
        places = locations.flatten().cpu().double().numpy()
        slope, intercept = np.polyfit(numbers, places, 1).tolist()
        explained = np.corrcoef(numbers, places)[0, 1].item() ** 2 if np.ptp(places) else 0.0
        fits.append(Fit(head, slope, intercept, explained, locations))
    return sorted(fits, key=lambda fit: -fit.r_squared)


@telling
def fit_writes(
    weighting: Float[Tensor, "T B H N"], priorities: Float[Tensor, "L B"]
) -> tuple[int, Fit]:
    """Return the write head whose locations follow the priorities best, and its delay.

    A head may write a vector at the step at which it comes in, delay 0, or one step later.

    Raises:
        ValueError: if the priorities are all equal, or there are not so many steps.
    """
    check_inputs("weighting", weighting, ("T", "B", "H", "N"))
    check_inputs("priorities", priorities, ("L", weighting.shape[1]))
    items = len(priorities)
    if priorities.min() == priorities.max():
        raise ValueError("priorities: expected numbers that differ, got the same everywhere")
    if len(weighting) <= items:
        raise ValueError(f"weighting: expected more than {items} steps, got {len(weighting)}")
    fits = ((late, fit_heads(weighting[late : late + items], priorities)[0]) for late in (0, 1))
    return max(fits, key=lambda pair: pair[1].r_squared)


def unroll(locations: Int[Tensor, "*any"], count: int) -> Int[Tensor, "*any"]:
    """Cut the ring of memory locations in its widest unused stretch, so that neighbours are near.

    What lies beyond location ``count - 1`` is counted on: 126, 127, 0, 1 become 126, 127, 128, 129.
    ``locations`` holds one or more, each from 0 to ``count - 1``.
    """
    start = after_gap(locations.unique().tolist(), count)
    return (locations - start) % count + start


def after_gap(used: Sequence[int], count: int) -> int:
    """Return the location where the widest unused stretch of the ring ends.

    Args:
        used: the locations in use, in rising order, at least one.
        count: how many there are.
    """
    before = [used[-1] - count, *used[:-1]]
    return max(zip(used, before, strict=True), key=lambda pair: pair[0] - pair[1])[0]
