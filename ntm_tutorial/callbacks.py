"""What only some recipes add to the training loop: an average, noise, a hold, a settling."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

if TYPE_CHECKING:
    from ntm_tutorial.training import Run
else:
    Run = Any  # training imports this file

SETTLED = 0.01
"""The share of the learning rate that is left once a run has settled."""
RELAPSE = 5
"""At this many times the lowest validation cost, what was learned is about to be lost."""


class Callback:
    """Called at the joints of the training loop; by itself, it does nothing there.

    What it keeps between two batches belongs in its ``state_dict``, which is part of the
    checkpoint: then a resumed run ends like an unbroken one.
    """

    name = ""
    """The checkpoint keeps its state under this name; if empty, under its class's."""

    def check(self, model: Any) -> None:
        """Refuse a model that it cannot go along with."""

    def begin(self, run: "Run") -> "Callback":
        """Return what goes along with a run: itself, or something with a state of its own."""
        return self

    def rate(self, run: "Run") -> float:
        """Return a factor of the learning rate."""
        return 1.0

    def state(self, run: "Run", size: int) -> tuple[Any, ...]:
        """Return the state that the next batch starts from; an empty tuple for the model's own."""
        return ()

    @contextmanager
    def batch(self, run: "Run") -> Iterator[None]:
        """Surround the forward and the backward pass of a batch."""
        yield

    def forgives(self, run: "Run") -> bool:
        """Tell whether a batch whose gradient is not finite may be skipped."""
        return False

    def stepped(self, run: "Run") -> None:
        """Follow a step of the optimiser."""

    def validating(self, run: "Run") -> None:
        """Come before a validation is taken down."""

    def validated(self, run: "Run", lowest: float) -> None:
        """Follow a validation, before which ``lowest`` was the lowest cost."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return what the checkpoint has to keep, tensors of any shape."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what the checkpoint kept, tensors of any shape."""


@dataclass(frozen=True)
class Average(Callback):
    """Validate and keep an exponential moving average of the weights.

    Attributes:
        decay: how slowly it follows them.
    """

    decay: float

    def begin(self, run: "Run") -> Callback:
        """Start from the weights as they are."""
        return _Averaging(run, self.decay)


class _Averaging(Callback):
    name = "averaged"

    def __init__(self, run: "Run", decay: float) -> None:
        self.model = AveragedModel(run.model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        run.evaluated = self.model.module

    def stepped(self, run: "Run") -> None:
        self.model.update_parameters(run.model)

    def state_dict(self) -> dict[str, Tensor]:
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state)


@dataclass(frozen=True)
class Harden(Callback):
    """Once the task is learned, make it harder; only weights from then on are kept.

    Attributes:
        after: so many sequences; None for never.
        weight_noise: standard deviation of the noise added to all weight matrices, drawn anew for
            each batch, as in Graves (2013). What is to survive it must be decided by a margin.
        memory_sizes: use so many of the memory's locations, batch by batch in turn; left out, all.
            In a small memory a head that strays soon overwrites what is still needed, and so learns
            not to; with all locations it can stray unpunished.
    """

    after: int | None
    weight_noise: float = 0.0
    memory_sizes: tuple[int, ...] = ()

    def check(self, model: Any) -> None:
        """Refuse sizes that the model's memory does not have.

        Raises:
            ValueError: if there is no memory, or not so large a one.
        """
        if self.memory_sizes and not hasattr(model, "memory_shape"):
            raise ValueError("memory_sizes: only an NTM has a memory; leave it out")
        for size in self.memory_sizes:
            model.initial_state(1, size)

    def started(self, run: "Run") -> bool:
        """Tell whether it is time."""
        return self.after is not None and run.seen >= self.after

    def state(self, run: "Run", size: int) -> tuple[Any, ...]:
        """Start in a memory of the next size."""
        if not (self.started(run) and self.memory_sizes):
            return ()
        model: Any = run.model
        turn = run.seen // run.settings.batch_size
        return (model.initial_state(size, self.memory_sizes[turn % len(self.memory_sizes)]),)

    @contextmanager
    def batch(self, run: "Run") -> Iterator[None]:
        """Add noise to the weight matrices, and take it off again."""
        if not (self.started(run) and self.weight_noise):
            yield
            return
        named = run.model.named_parameters()
        weights = [w for name, w in named if name.rpartition(".")[2].startswith("weight")]
        clean = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            for weight in weights:
                noise = torch.randn(weight.shape, generator=run.generator)
                weight.add_(noise.to(weight), alpha=self.weight_noise)
        try:
            yield
        finally:  # also when Ctrl-C comes in between
            with torch.no_grad():
                for weight, value in zip(weights, clean, strict=True):
                    weight.copy_(value)

    def forgives(self, run: "Run") -> bool:
        """Forgive: noise may hit a machine where it hurts; then the next noise will do."""
        return self.started(run) and self.weight_noise > 0

    def validating(self, run: "Run") -> None:
        """Forget the lowest cost of before."""
        if self.after is not None and run.validated <= self.after < run.seen:
            run.best_bits = float("inf")


@dataclass(frozen=True)
class Hold(Callback):
    """Hold on to what was learned.

    Attributes:
        at: once the validation cost was at most this many bits, a validation that costs ``RELAPSE``
            times the lowest cost puts the weights of the lowest back.
    """

    at: float

    def validated(self, run: "Run", lowest: float) -> None:
        """Put the best weights back where they are about to be lost."""
        learned = run.best_bits <= self.at
        if learned and run.history.validation_bits[-1] > RELAPSE * run.best_bits:
            run.keep_best()
            run.evaluated.load_state_dict(run.best)


@dataclass(frozen=True)
class Settle(Callback):
    """Settle once the goal is reached, so that what was learned is kept.

    Attributes:
        at: once the validation cost was at most this many bits, go on from the weights that
            validated, at a hundredth of the learning rate.
    """

    at: float

    def rate(self, run: "Run") -> float:
        """Slow down once the goal was reached."""
        return SETTLED if run.best_bits <= self.at else 1.0

    def validated(self, run: "Run", lowest: float) -> None:
        """Go on from the weights that reached it: the last may be worse than their average."""
        if run.best_bits <= self.at < lowest:
            run.keep_best()
