"""How well a model does: bits per sequence and wrong bits, on fresh random sequences."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, SupportsIndex

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ntm_tutorial.checks import check_kind, check_shapes, check_together, telling, whole
from ntm_tutorial.tasks import Episode, Task
from ntm_tutorial.tasks.base import per_sequence

SEEDS = 2**30
"""Seeds lie below this. PyTorch's CPU generator looks at the lowest 32 bits of its seed alone, so
training, validation and testing draw from a quarter of those each."""


def bits_per_sequence(logits: Float[Tensor, "T B O"], episode: Episode) -> Float[Tensor, "B"]:
    """Return each sequence's cross-entropy in bits, the paper's measure, over the masked steps.

    A model that knows nothing pays one bit for every bit asked of it; a perfect one pays none.

    Raises:
        ValueError: if the logits are not of the targets' shape, or one that is asked for is NaN.
    """
    loss = _cross_entropy(_asked(logits, episode), episode.targets)
    return torch.where(_mask(episode), loss, 0).sum((0, 2)) / math.log(2)


def wrong(logits: Float[Tensor, "T B O"], episode: Episode) -> Bool[Tensor, "T B O"]:
    """Tell which bits over the masked steps are wrong; a logit above 0 says 1.

    Raises:
        ValueError: if the logits are not of the targets' shape, or one that is asked for is NaN.
    """
    return ((_asked(logits, episode) > 0) != (episode.targets > 0.5)) & _mask(episode)


def wrong_bits(logits: Float[Tensor, "T B O"], episode: Episode) -> Int[Tensor, "B"]:
    """Count each sequence's ``wrong`` bits.

    Raises:
        ValueError: if the logits are not of the targets' shape, or one that is asked for is NaN.
    """
    return wrong(logits, episode).sum((0, 2))


def _asked(logits: Tensor, episode: Episode) -> Tensor:
    """Return logits that can be scored, in single precision at least."""
    check_episode(episode)
    check_shapes("TBO TBO", targets=episode.targets, logits=logits)
    if bool((logits.isnan() & _mask(episode)).any()):
        raise ValueError("logits: expected numbers at the steps that count, got NaN")
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _cross_entropy(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Return the cross-entropy in nats; certainty costs nothing if right, all if wrong."""
    probabilities = probabilities.to(logits.dtype)
    cost = binary_cross_entropy_with_logits(logits, probabilities, reduction="none")
    right = probabilities == (logits > 0)
    return torch.where(logits.isinf(), torch.where(right, 0.0, math.inf), cost)


def divergence(
    logits: Float[Tensor, "*any"], probabilities: Float[Tensor, "*any"]
) -> Float[Tensor, "*any"]:
    r"""Return the bits that each prediction wastes, on average, against the right probability.

    This is the Kullback-Leibler divergence of the right :math:`q` from a model's :math:`m`, the
    sigmoid of its logit, for outcomes 0 and 1:

    .. math:: q \log_2 \frac q m + (1 - q) \log_2 \frac{1 - q}{1 - m}

    Args:
        logits: what a model says.
        probabilities: of a 1, such as the optimal prediction's, 0 to 1.

    Raises:
        ValueError: if the two differ in shape, the probabilities are none, or a logit is NaN.
    """
    check_together(probabilities=probabilities, logits=logits)
    if logits.shape != probabilities.shape:
        raise ValueError(
            f"logits: expected the probabilities' shape {tuple(probabilities.shape)}, "
            f"got {tuple(logits.shape)}"
        )
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        raise ValueError("probabilities: expected numbers from 0 to 1")
    if bool(logits.isnan().any()):
        raise ValueError("logits: expected numbers, got NaN")
    cost = _cross_entropy(logits, probabilities)
    least = -(probabilities.xlogy(probabilities) + (1 - probabilities).xlogy(1 - probabilities))
    return (cost - least).clamp_min(0) / math.log(2)


@dataclass(frozen=True)
class Evaluation:
    """Results on many sequences, one number for each; summaries are properties.

    Attributes:
        bits: bits per sequence, the cost.
        wrong: wrong bits per sequence.
        asked: bits asked of the model in each sequence.
    """

    bits: Float[Tensor, "S"]
    wrong: Int[Tensor, "S"]
    asked: Int[Tensor, "S"]

    @property
    def mean_bits(self) -> float:
        """Mean cost in bits per sequence."""
        return self.bits.double().mean().item()

    @property
    def mean_wrong(self) -> float:
        """Mean number of wrong bits per sequence."""
        return self.wrong.double().mean().item()

    @property
    def median_wrong(self) -> float:
        """Median number of wrong bits per sequence."""
        return self.wrong.double().quantile(0.5).item()

    @property
    def share_perfect(self) -> float:
        """Share of sequences without a wrong bit."""
        return (self.wrong == 0).double().mean().item()

    @property
    def share_wrong(self) -> float:
        """Share of all bits that are wrong."""
        return self.wrong.sum().item() / self.asked.sum().item()


@telling
@torch.no_grad()
def evaluate(
    model: nn.Module,
    task: Task,
    *,
    sequences: SupportsIndex = 200,
    seed: SupportsIndex = 0,
    batch_size: SupportsIndex = 50,
    **difficulty: SupportsIndex | Int[Tensor, "*S"],
) -> Evaluation:
    """Test a model on fresh sequences; where the task is fed, the model hears its own answers.

    Two models tested with the same seed, difficulty, number and batch size see the same ones.
    Training never sees them: its seeds lie in another range.

    Args:
        model: of any family, or one of your own that is called like ``torch.nn.LSTM``.
        task: the task to draw from.
        sequences: how many.
        seed: which ones, 0 to 2**30 - 1.
        batch_size: how many to run at once.
        difficulty: such as ``length=120``, for all sequences or for each; what is left out is
            drawn from the training range.

    Raises:
        ValueError: if a number is out of range, or there is not one for each sequence.
    """
    sequences, batch_size = whole("sequences", sequences), whole("batch_size", batch_size)
    each = {
        name: per_sequence(name, value, sequences)
        if isinstance(value, Tensor) and value.dim()
        else whole(name, value, 0)
        for name, value in difficulty.items()
    }
    generator = torch.Generator().manual_seed(testing_seed(seed))
    parts = []
    with evaluating(model):
        for start in range(0, sequences, batch_size):
            count = min(batch_size, sequences - start)
            here = {
                name: value[start : start + count] if isinstance(value, Tensor) else value
                for name, value in each.items()
            }
            episode = fitted(task.sample(count, generator=generator, **here), model)
            if task.heard is None:
                logits = answer(model, episode)
            else:
                logits = free_run(model, episode, task.heard)
            asked = _mask(episode).expand_as(logits).sum((0, 2))
            parts.append((bits_per_sequence(logits, episode), wrong_bits(logits, episode), asked))
    return Evaluation(*(torch.cat(column).cpu() for column in zip(*parts, strict=True)))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Let dropout and the like rest while a model is tested; then put every part back."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def fitted(episode: Episode, model: nn.Module) -> Episode:
    """Move an episode to a model's device, and its numbers to the model's type."""
    weights = [weight for weight in model.parameters() if weight.is_floating_point()]
    if not weights:
        return episode
    return episode.to(weights[0].device, weights[0].dtype)


def answer(model: Any, episode: Episode, *state: Any) -> Float[Tensor, "T B O"]:
    """Run a model on an episode, from its own first state or another, and return its logits.

    Raises:
        ValueError: if the model does not return a pair, as ``torch.nn.LSTM`` does.
    """
    found = model(episode.inputs, *state)
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], Tensor):
        raise ValueError(
            "model: expected one that returns (logits, state), as torch.nn.LSTM does, "
            f"got {type(found).__name__}"
        )
    return found[0]


@telling
def free_run(model: Any, episode: Episode, heard: slice) -> Float[Tensor, "T B O"]:
    """Run a model step by step; in the ``heard`` channels it hears what it last answered.

    Free-running, as this is called, is the test of what was trained by teacher forcing.

    Args:
        model: one that has ``initial_state`` and ``step``.
        episode: of a task that is fed; what it has in these channels is not used.
        heard: the channels, as many as the model has outputs.

    Raises:
        ValueError: if the model cannot run step by step.
    """
    if not hasattr(model, "initial_state") or not hasattr(model, "step"):
        raise ValueError(
            "model: expected one with initial_state and step, to hear its own answers, "
            f"got {type(model).__name__}"
        )
    state, logits = model.initial_state(episode.inputs.shape[1]), []
    said = torch.zeros_like(episode.targets[0])
    for inputs, asked in zip(episode.inputs, _mask(episode), strict=True):
        x = inputs.clone()
        x[:, heard] = said
        answered, state = model.step(x, state)
        logits.append(answered)
        said = ((answered > 0) & asked).to(said.dtype)
    return torch.stack(logits)


@telling
def sweep(
    model: nn.Module, task: Task, name: str, values: Iterable[int], **settings: SupportsIndex
) -> dict[int, Evaluation]:
    """Evaluate at several values of one difficulty, such as ``"length", (10, 20, 50)``.

    Raises:
        ValueError: as ``evaluate`` does.
    """
    if name not in task.training_range:
        raise ValueError(f"name: expected one of {list(task.training_range)}, got {name!r:.80}")
    return {int(value): evaluate(model, task, **settings, **{name: value}) for value in values}


@telling
def grid(
    model: nn.Module,
    task: Task,
    rows: tuple[str, Iterable[SupportsIndex]],
    columns: tuple[str, Sequence[SupportsIndex]],
    *,
    sequences: SupportsIndex = 4,
    seed: SupportsIndex = 0,
) -> dict[tuple[int, int], Evaluation]:
    """Evaluate at every pair of two difficulties.

    A row runs as one batch, which saves most of the time that so many small tests would take.

    Args:
        model: of any family, or one of your own that is called like ``torch.nn.LSTM``.
        task: the task to draw from.
        rows: a difficulty and its values, such as ``("length", (1, 10, 30))``.
        columns: another.
        sequences: how many for each pair.
        seed: which ones, as in ``evaluate``.

    Raises:
        ValueError: if a number is out of range, or the task has no two such difficulties.
    """
    (row, _), (column, _) = rows, columns
    if {row, column} - task.training_range.keys() or row == column:
        raise ValueError(
            f"rows, columns: expected two of {list(task.training_range)}, "
            f"got {row!r} and {column!r}"
        )
    values, others = ([whole(name, one, 0) for one in ones] for name, ones in (rows, columns))
    count = whole("sequences", sequences)
    each = torch.tensor(others).repeat_interleave(count)
    found = {}
    for value in values:
        pair: dict[str, Any] = {row: value, column: each}
        batch = {"sequences": len(each), "batch_size": len(each)}
        line = evaluate(model, task, seed=seed, **batch, **pair)
        parts = (numbers.split(count) for numbers in (line.bits, line.wrong, line.asked))
        for other, part in zip(others, zip(*parts, strict=True), strict=True):
            found[value, other] = Evaluation(*part)
    return found


SOLVED = 0.99
"""A training range is solved where at least this share of sequences is perfect in every cell."""


class TrainingMap(dict[tuple[int, ...], Evaluation]):
    """Results in every cell of a training range, keyed by its difficulties in the task's order."""

    @property
    def worst(self) -> tuple[int, ...]:
        """The cell with the smallest share of perfect sequences."""
        return min(self, key=lambda cell: self[cell].share_perfect)

    @property
    def share_perfect(self) -> float:
        """The share of perfect sequences in the worst cell."""
        return self[self.worst].share_perfect

    @property
    def solved(self) -> bool:
        """Whether every cell is solved."""
        return self.share_perfect >= SOLVED


@telling
def training_map(
    model: nn.Module, task: Task, *, sequences: SupportsIndex = 200, seed: SupportsIndex = 0
) -> TrainingMap:
    """Evaluate in every cell of the training range: every length, or every length and repeats.

    Args:
        model: of any family, or one of your own that is called like ``torch.nn.LSTM``.
        task: the task to draw from.
        sequences: how many for each cell.
        seed: which ones, as in ``evaluate``.

    Raises:
        ValueError: if a number is out of range.
    """
    names = list(task.training_range)
    how: dict[str, Any] = {"sequences": sequences, "seed": seed, "batch_size": sequences}
    return TrainingMap(
        (cell, evaluate(model, task, **how, **dict(zip(names, cell, strict=True))))
        for cell in training_cells(task)
    )


def training_cells(task: Task) -> list[tuple[int, ...]]:
    """List all difficulties of a task's training range, from the easiest to the hardest."""
    ends = task.training_range.values()
    return list(itertools.product(*(range(low, high + 1) for low, high in ends)))


def testing_seed(seed: SupportsIndex) -> int:
    """Map a test seed to a generator seed that neither training nor validation can use.

    Raises:
        ValueError: if it is not a whole number from 0 to 2**30 - 1.
    """
    return 2 * SEEDS + check_seed(seed)


def check_seed(seed: Any) -> int:
    """Return a seed as Python's own whole number; refuse what is none from 0 to 2**30 - 1.

    Raises:
        ValueError: saying what was given.
    """
    return whole("seed", seed, 0, SEEDS - 1)


def check_episode(episode: Any) -> None:
    """Refuse what a task of the reader's own may return by mistake.

    Raises:
        ValueError: if it is no episode, its mask is not of bools (T,) or (T, B), asks for nothing,
            or asks for what is no probability.
    """
    check_kind("episode", episode, Episode)
    _, targets, mask = episode
    if mask.dtype != torch.bool or mask.shape not in (targets.shape[:1], targets.shape[:2]):
        raise ValueError(
            f"episode: expected a mask of bools, (T,) or (T, B) of targets (T, B, O) ="
            f" {tuple(targets.shape)}, got {mask.dtype} {tuple(mask.shape)}"
        )
    asked = targets[mask]
    if not asked.numel() or not bool(((asked >= 0) & (asked <= 1)).all()):
        raise ValueError(
            "episode: expected targets of 0 to 1 where the mask asks, got others or none"
        )


def _mask(episode: Episode) -> Tensor:
    """Give the mask the shape (T, 1 or B, 1)."""
    mask = episode.mask
    return mask.unsqueeze(-1) if mask.dim() == 2 else mask[:, None, None]
