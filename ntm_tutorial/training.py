"""Training: one loop for every task and model, with a history, and resumable at any moment."""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm.auto import tqdm

from ntm_tutorial import checkpoint as checkpoints
from ntm_tutorial import speed, storage
from ntm_tutorial.callbacks import Callback
from ntm_tutorial.checks import check_kind, check_shapes, telling, whole
from ntm_tutorial.evaluation import (
    answer,
    bits_per_sequence,
    check_episode,
    check_seed,
    evaluating,
    fitted,
    wrong_bits,
)
from ntm_tutorial.settings import Curriculum, Optimizer, Schedule, Settings, Validation
from ntm_tutorial.tasks import Episode, Task

PATIENCE = 10
"""With weight noise, this many batches in a row without a finite gradient end the training."""


@dataclass
class History:
    """The learning curve: one entry in each list for every validation.

    Attributes:
        sequences: sequences trained on so far.
        training_bits: mean cost in bits per sequence since the last entry.
        validation_bits: mean cost in bits per validation sequence.
        validation_wrong: mean wrong bits per validation sequence.
        seconds: processor time spent on training so far.
    """

    sequences: list[int] = field(default_factory=list)
    training_bits: list[float] = field(default_factory=list)
    validation_bits: list[float] = field(default_factory=list)
    validation_wrong: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @telling
    def reached(self, bits: float) -> int | None:
        """Return after how many sequences the validation cost first fell to ``bits``, if it did."""
        pairs = zip(self.sequences, self.validation_bits, strict=True)
        return next((seen for seen, cost in pairs if cost <= bits), None)

    @telling
    def lowest(self, after: int = 0) -> float:
        """Return the lowest validation cost, NaN where none is finite.

        Once ``Harden`` has started, only weights from then on are kept: with ``after``, only what
        was validated after so many sequences counts, if the run came so far.
        """
        pairs = zip(self.sequences, self.validation_bits, strict=True)
        whole_run = not self.sequences or self.sequences[-1] <= after
        costs = (bits for seen, bits in pairs if whole_run or seen > after)
        return min(filter(math.isfinite, costs), default=math.nan)

    @telling
    def sustained(self, bits: float, sequences: int) -> int | None:
        """Return after how many sequences the validation cost fell to ``bits`` and stayed there.

        It is where a stretch of at least ``sequences`` begins in which no validation is above
        ``bits``; a run that ends before that has not shown it.
        """
        start = None
        for seen, cost in zip(self.sequences, self.validation_bits, strict=True):
            if not cost <= bits:
                start = None
            elif start is None:
                start = seen
            if start is not None and seen >= start + sequences:
                return start
        return None

    @telling
    def relapses(self, bits: float, above: float = 1.0) -> int:
        """Count how often the validation cost rose above ``above`` after it was at most ``bits``.

        A relapse lasts until the cost is at most ``bits`` again; the next one counts anew.
        """
        count, learned = 0, False
        for cost in self.validation_bits:
            if cost <= bits:
                learned = True
            elif learned and not cost <= above:
                count, learned = count + 1, False
        return count


@telling
def train(
    model: nn.Module,
    task: Task,
    *,
    sequences: SupportsIndex,
    batch_size: SupportsIndex = 16,
    learning_rate: float = 3e-3,
    seed: SupportsIndex = 0,
    optimizer: Optimizer | str = Optimizer(),
    schedule: Schedule = Schedule(),
    curriculum: Curriculum = Curriculum(),
    validation: Validation = Validation(),
    callbacks: Sequence[Callback] = (),
    compile: bool = False,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    on_validation: Callable[[History], None] | None = None,
    **settings: Any,
) -> History:
    """Train a model in place; at the end it holds the weights that validated best.

    With ``Harden``, only those count that validated after it started.

    The loss is the paper's: cross-entropy summed over the outputs that count, averaged over the
    batch. Training and validation draw only from the task's training range.

    Args:
        model: called like ``torch.nn.LSTM``, on the device where it is to be trained. An NTM gets
            the faster step of ``ntm_tutorial.speed``, and keeps it.
        task: the task to draw from.
        sequences: how many sequences to train on.
        batch_size: sequences per update.
        learning_rate: the optimiser's learning rate.
        seed: decides every random draw made here, 0 to 2**30 - 1; the model's own start is drawn
            when it is built, and what a model of yours draws, as dropout does, is its own affair.
        optimizer: how the weights follow the gradient.
        schedule: how the learning rate goes.
        curriculum: how hard the sequences are.
        validation: when and on what the run is validated.
        callbacks: what only some runs need, such as ``Average(0.99)``.
        compile: compile an NTM's steps with ``torch.compile``: takes a minute to start, and is
            then several times as fast. Needs a C++ compiler; without one, a warning says so and
            training goes on as without ``compile``.
        progress: show a progress bar.
        checkpoint: file to save to at every validation; if it exists, training goes on from there,
            exactly as if it had never stopped.
        on_validation: called with the history after each validation.
        settings: single settings by their flat names, such as ``validate_every=500, ramp=8_000``;
            ``ntm_tutorial.settings.NAMES`` lists them.

    Returns:
        the learning curve.

    Raises:
        TypeError: if there is no such setting.
        ValueError: if a setting is out of range, or the checkpoint belongs to other settings or
            another training writes to it.
        FloatingPointError: if the gradient is not finite; the weights are those before the step.
            With weight noise, only after ``PATIENCE`` such batches in a row; one is skipped.
    """
    for name, value in (("compile", compile), ("progress", progress)):
        check_kind(name, value, bool)  # the word "no" would be taken for a yes
    if not isinstance(optimizer, Optimizer):
        optimizer, settings = Optimizer(), settings | {"optimizer": optimizer}
    groups = Settings(
        whole("sequences", sequences), whole("batch_size", batch_size), learning_rate,
        optimizer, schedule, curriculum, validation, tuple(callbacks),
    )  # fmt: skip
    run = Run(speed.fast(model.train()), task, groups.but(**settings), check_seed(seed))
    path = None if checkpoint is None else storage.check_file(checkpoint)
    if path is not None:
        storage.check_folder(path.parent)
        if path.exists():
            checkpoints.load(run, path)
    forward = speed.compiled(model, run.settings.batch_size) if compile else nullcontext(model)
    bar = tqdm(
        total=run.settings.sequences, initial=run.seen, unit=" sequences", disable=not progress,
        dynamic_ncols=True,
    )  # fmt: skip
    with forward as run.forward, bar:
        while not run.over:
            run.update()
            bar.update(run.seen - bar.n)
            if run.validation_due:
                run.validate()
                bar.set_postfix_str(f"{run.history.validation_bits[-1]:.3g} bits per sequence")
                if path is not None:
                    checkpoints.save(run, path)
                if on_validation is not None:
                    on_validation(run.history)
        bar.total = bar.n  # a run that reached its goal early is complete too
    if not math.isfinite(run.best_bits):
        warnings.warn("no validation was finite: the weights are those of the start", stacklevel=2)
    run.keep_best()
    return run.history


class Run:
    """A training run: everything that a checkpoint must hold.

    Attributes:
        model: what is trained.
        forward: what runs it, perhaps faster.
        evaluated: what is validated and kept: the model, or an average of it.
        task: what it is trained on.
        settings: how.
        callbacks: what goes along, by name.
        generator: makes every random draw.
        history: the learning curve.
        best: the weights that validated best.
        best_bits: what they cost.
        seen: sequences trained on so far.
        skipped: batches in a row whose gradient was not finite.
        seconds: processor time spent on training so far.
        saved: the digest of its checkpoint, as it last wrote or read it.

    Raises:
        ValueError: if the settings do not fit the model or the task.
    """

    def __init__(self, model: nn.Module, task: Task, settings: Settings, seed: int) -> None:
        check_run(model, task, settings)
        self.model, self.forward, self.evaluated = model, model, model
        self.task, self.settings, self.seed = task, settings, seed
        self.optimizer = settings.optimizer.build(model, settings.learning_rate)
        self.generator = torch.Generator().manual_seed(seed)
        self.history = History()
        self.best = _copy(model.state_dict())
        self.best_bits = math.inf
        self.seen, self.skipped, self.seconds = 0, 0, 0.0
        self.saved: str | None = None
        self.recent_bits, self.recent_sequences = 0.0, 0
        begun = [one.begin(self) for one in settings.callbacks]
        self.callbacks = {one.name or type(one).__name__: one for one in begun}

    @property
    def over(self) -> bool:
        """Whether enough sequences were seen, or the goal is reached."""
        goal = self.settings.validation.stop_at
        reached = goal is not None and self.best_bits <= goal
        return reached or self.seen >= self.settings.sequences

    @property
    def validated(self) -> int:
        """After how many sequences the last validation was."""
        return self.history.sequences[-1] if self.history.sequences else 0

    @property
    def validation_due(self) -> bool:
        """Whether it is time for a validation, or the end."""
        every, ended = self.settings.validation.every, self.seen >= self.settings.sequences
        return ended or self.seen // every > self.validated // every

    def update(self) -> None:
        """Train on one batch.

        Raises:
            FloatingPointError: if its gradient is not finite, and nothing forgives that.
            ValueError: if the first batch is none, or the model's answer does not fit it.
        """
        start, settings = time.process_time(), self.settings
        size = min(settings.batch_size, settings.sequences - self.seen)
        difficulty = settings.curriculum.draw(self.task, size, self.seen, self.generator)
        episode = self.task.sample(size, generator=self.generator, **difficulty)
        if not self.seen:  # a task of the reader's own may be wrong: say so at once
            check_episode(episode)
        loss = self._backward(fitted(episode, self.model))
        finite = settings.optimizer.clip(self.model)
        self.skipped = 0 if finite else self.skipped + 1
        forgiven = finite or any(one.forgives(self) for one in self.callbacks.values())
        if not (forgiven and self.skipped < PATIENCE):
            raise FloatingPointError(
                f"the gradient is not finite after {self.seen} sequences; the weights are those "
                "before this step: lower the learning rate, or go back to a checkpoint"
            )
        self.seen += size
        if finite:
            self.optimizer.step()
            for one in self.callbacks.values():
                one.stepped(self)
            self.recent_bits += loss.item() * size / math.log(2)
            self.recent_sequences += size
        self.seconds += time.process_time() - start

    def _backward(self, episode: Episode) -> Tensor:
        """Run a batch forward and backward, and return its loss."""
        size = episode.inputs.shape[1]
        rate = self.settings.learning_rate * self.settings.schedule.factor(
            self.seen, self.settings.sequences
        )
        state: tuple[Any, ...] = ()
        self.optimizer.zero_grad()
        with ExitStack() as around:
            for one in self.callbacks.values():
                rate *= one.rate(self)
                around.enter_context(one.batch(self))
                state = one.state(self, size) or state
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            logits = answer(self.forward, episode, *state)
            check_shapes("TBO TBO", targets=episode.targets, logits=logits)
            loss = loss_of(logits, episode)
            loss.backward()
        return loss

    def validate(self) -> None:
        """Score the model on the fixed validation sequences, and remember it if it is the best."""
        episode = self.settings.validation.episode(self.task, self.seed)
        bits, wrong = score(self.evaluated, fitted(episode, self.model))
        for one in self.callbacks.values():
            one.validating(self)
        self.history.sequences.append(self.seen)
        self.history.training_bits.append(self.recent_bits / max(self.recent_sequences, 1))
        self.history.validation_bits.append(bits)
        self.history.validation_wrong.append(wrong)
        self.history.seconds.append(self.seconds)
        self.recent_bits, self.recent_sequences = 0.0, 0
        lowest = self.best_bits
        if bits < lowest:
            self.best_bits, self.best = bits, _copy(self.evaluated.state_dict())
        for one in self.callbacks.values():
            one.validated(self, lowest)

    def keep_best(self) -> None:
        """Put the weights that validated best into the model."""
        self.model.load_state_dict(self.best)


@torch.no_grad()
def score(model: nn.Module, episode: Episode) -> tuple[float, float]:
    """Return mean bits and mean wrong bits of an episode; NaN where the model says NaN."""
    with evaluating(model):
        logits = answer(model, episode)
    if logits.isnan().any():
        return math.nan, math.nan
    bits, wrong = bits_per_sequence(logits, episode), wrong_bits(logits, episode)
    return bits.mean().item(), wrong.double().mean().item()


def loss_of(logits: Float[Tensor, "T B O"], episode: Episode) -> Float[Tensor, ""]:
    """Cross-entropy in nats, summed over the outputs that count, averaged over the batch."""
    least = torch.promote_types(logits.dtype, torch.float32)  # half precision would round the sum
    logits, targets = logits.to(least), episode.targets.to(least)
    loss = binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(-1)
    mask = episode.mask if episode.mask.dim() == 2 else episode.mask.unsqueeze(-1)
    return (loss * mask).sum() / logits.shape[1]


def check_run(model: nn.Module, task: Task, settings: Settings) -> None:
    """Refuse a model without weights to train, and settings that do not fit it or the task.

    Raises:
        ValueError: naming the setting.
    """
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError("model: expected weights to train, got none")
    if not torch.is_grad_enabled():
        raise ValueError("train: expected gradients, got torch.no_grad() or the like around it")
    for one in settings.callbacks:
        one.check(model)
    for name, value in (settings.validation.difficulty or {}).items():
        if name not in task.training_range:
            raise ValueError(
                f"validation_difficulty: expected one of {list(task.training_range)}, got {name!r}"
            )
        low, high = task.training_range[name]
        if not low <= value <= high:
            raise ValueError(f"validation_difficulty: {name} is {low} to {high}, got {value}")


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}
