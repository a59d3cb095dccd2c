"""Training: one loop for every task and model, with a history, and resumable at any moment."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from ntm_tutorial import speed, storage
from ntm_tutorial.checks import check_positive
from ntm_tutorial.evaluation import bits_per_sequence, check_seed, validation_episode, wrong_bits
from ntm_tutorial.ntm import NTM, NTMState
from ntm_tutorial.tasks import Episode, Task
from ntm_tutorial.tasks.base import Difficulty

OPTIMIZERS = ("adam", "rmsprop")
SETTLED = 0.01
"""The share of the learning rate that is left once a run has settled."""
RELAPSE = 5
"""So many times the lowest validation cost, and what was learned is about to be lost."""
PATIENCE = 10
"""So many batches in a row whose gradient weight noise has blown up are one too many."""
RAMP_START = 0.2
"""The share of the training range, from its easy end, where a ramp starts."""


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

    def reached(self, bits: float) -> int | None:
        """Return after how many sequences the validation cost first fell to ``bits``, if it did."""
        pairs = zip(self.sequences, self.validation_bits, strict=True)
        return next((seen for seen, cost in pairs if cost <= bits), None)

    def sustained(self, bits: float, sequences: int) -> int | None:
        """Return after how many sequences the validation cost fell to ``bits`` and stayed there.

        It is the first validation from which on none is above ``bits`` until at least so many
        ``sequences`` later; a run that ends before that has not shown it.
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


def train(
    model: nn.Module,
    task: Task,
    *,
    sequences: int,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    seed: int = 0,
    optimizer: str = "adam",
    epsilon: float = 0.01,
    momentum: float = 0.9,
    smoothing: float = 0.9,
    decay: float = 0.0,
    rounds: int = 1,
    hold_at: float | None = None,
    settle_at: float | None = None,
    ramp: int = 0,
    clip_value: float = 10.0,
    clip_norm: float = 10.0,
    average: float = 0.0,
    mixed: bool = True,
    harden_after: int | None = None,
    weight_noise: float = 0.0,
    memory_sizes: Sequence[int] = (),
    validate_every: int = 2_000,
    validation_sequences: int = 100,
    validation_difficulty: dict[str, int] | None = None,
    stop_at: float | None = None,
    compile: bool = False,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    on_validation: Callable[[History], None] | None = None,
) -> History:
    """Train a model in place; at the end it holds the weights that validated best.

    The loss is the paper's: cross-entropy summed over the outputs that count, averaged over the
    batch. Training and validation draw only from the task's training range.

    Args:
        model: an NTM or an LSTM, on the device where it is to be trained.
        task: the task to draw from.
        sequences: how many sequences to train on.
        batch_size: sequences per update.
        learning_rate: the optimiser's learning rate.
        seed: decides every random draw made here, 0 to 2**30 - 1; the model's own start is drawn
            when it is built.
        optimizer: ``"adam"``, or ``"rmsprop"`` in the form of Graves (2013), the paper's.
        epsilon: added to the optimiser's denominator. A large one keeps steps small when the
            gradient is.
        momentum: how slowly the mean gradient changes, Adam's beta 1.
        smoothing: how slowly the mean squared gradient changes, Adam's beta 2. Adam's usual 0.999
            lets one sudden large gradient carry a weight by 30 learning rates before its effect
            has faded, and a learned solution is lost; with 0.9 it is about 6.
        decay: last share of a round over which the learning rate falls linearly to zero.
        rounds: cut the run into so many rounds of equal length, each from the full learning rate
            (warm restarts, Loshchilov and Hutter 2017): the next goes on from what one has reached.
        hold_at: once the validation cost was at most this many bits, a validation that costs
            ``RELAPSE`` times the lowest cost puts the weights of the lowest back.
        settle_at: once the validation cost was at most this many bits, go on from the weights that
            validated, at a hundredth of the learning rate, so that what was learned is kept.
        clip_value: bound on each gradient component, as in the paper.
        clip_norm: bound on the whole gradient's norm.
        ramp: over this many sequences, let the upper end of the training range grow from
            ``RAMP_START`` of it to the whole.
        average: decay of an exponential moving average of the weights; validation and result then
            use the average. 0 turns it off.
        mixed: draw a difficulty for each sequence; otherwise one for each batch.
        harden_after: after so many sequences, when the task is learned, let ``weight_noise`` and
            ``memory_sizes`` make it harder; left out, never. Only weights from then on are kept.
        weight_noise: standard deviation of the noise added to all weight matrices, drawn anew for
            each batch, as in Graves (2013). What is to survive it must be decided by a margin.
        memory_sizes: use so many of an NTM's memory locations, batch by batch in turn; left out,
            all. In a small memory a head that strays soon overwrites what is still needed, and so
            learns not to; with all locations it can stray unpunished.
        validate_every: sequences between validations.
        validation_sequences: how many fixed sequences a validation uses.
        validation_difficulty: their difficulty; left out, drawn from the training range.
        stop_at: stop once the validation cost is at most this many bits.
        compile: compile the NTM's steps with ``torch.compile``: takes a minute to start, and is
            then several times as fast. Needs a C++ compiler; without one, a warning says so and
            training goes on as without ``compile``.
        progress: show a progress bar.
        checkpoint: file to save to at every validation; if it exists, training goes on from there,
            exactly as if it had never stopped.
        on_validation: called with the history after each validation.

    Returns:
        the learning curve.

    Raises:
        ValueError: if a setting is out of range, or the checkpoint belongs to other settings.
        FloatingPointError: if the gradient is not finite; the weights are those before the step.
            With ``weight_noise``, only after ``PATIENCE`` such batches in a row; one is skipped.
    """
    settings = {
        name: value
        for name, value in locals().items()
        if name not in ("model", "task", "compile", "progress", "checkpoint", "on_validation")
    }
    run = _Run(speed.fast(model), task, settings)
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists():
        run.restore(*storage.load(path))
    steps = speed.compiled(model, batch_size) if compile else nullcontext(model)
    with steps as run.network, _progress_bar(run, progress) as bar:
        for _ in run.batches():
            bar.update(run.seen - bar.n)
            if run.validation_due():
                run.validate()
                bar.set_postfix_str(f"{run.history.validation_bits[-1]:.3g} bits per sequence")
                if path is not None:
                    storage.save(path, *run.snapshot())
                if on_validation is not None:
                    on_validation(run.history)
        bar.total = bar.n  # a run that reached its goal early is complete too
    run.keep_best()
    return run.history


class _Run:
    """A training run: everything that a checkpoint must hold."""

    def __init__(self, model: nn.Module, task: Task, settings: dict[str, Any]) -> None:
        _check(model, task, settings)
        self.model, self.task, self.settings = model, task, settings
        self.network = model  # or what runs it faster
        self.optimizer = _make_optimizer(model, settings)
        self.averaged = None
        if settings["average"]:
            self.averaged = AveragedModel(
                model, multi_avg_fn=get_ema_multi_avg_fn(settings["average"])
            )
        self.generator = torch.Generator().manual_seed(settings["seed"])
        self.device = next(model.parameters()).device
        self.history = History()
        self.best = _copy(model.state_dict())
        self.best_bits = math.inf
        self.seen = 0
        self.recent_bits = 0.0
        self.recent_sequences = 0
        self.skipped = 0
        self.seconds = 0.0

    @property
    def evaluated(self) -> nn.Module:
        """The model that is validated and kept: the average, where there is one."""
        return self.model if self.averaged is None else self.averaged.module

    @property
    def settled(self) -> bool:
        """Whether the validation cost was ever as low as ``settle_at``."""
        goal = self.settings["settle_at"]
        return goal is not None and self.best_bits <= goal

    def relapsed(self, bits: float) -> bool:
        """Tell whether a validation cost says that what ``hold_at`` is to keep was lost."""
        hold_at = self.settings["hold_at"]
        return hold_at is not None and self.best_bits <= hold_at and bits > RELAPSE * self.best_bits

    def batches(self) -> Iterator[None]:
        """Train batch by batch until enough sequences were seen or the goal is reached."""
        stop_at = self.settings["stop_at"]
        while self.seen < self.settings["sequences"]:
            if stop_at is not None and self.best_bits <= stop_at:
                return
            start = time.process_time()
            self.update()
            self.seconds += time.process_time() - start
            yield

    def update(self) -> None:
        """Train on one batch."""
        size = min(self.settings["batch_size"], self.settings["sequences"] - self.seen)
        episode = self.task.sample(size, generator=self.generator, **self._difficulty(size))
        episode = episode.to(self.device)
        self._set_learning_rate()
        self.optimizer.zero_grad()
        with self._noise():
            logits, _ = self.network(episode.inputs, *self._start(size))
            loss = _loss(logits, episode)
            loss.backward()
        usable = self._clip()
        self.seen += size
        if not usable:
            return
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        self.recent_bits += loss.item() * size / math.log(2)
        self.recent_sequences += size

    @property
    def hardening(self) -> bool:
        """Whether the task is learned and is now made harder."""
        start = self.settings["harden_after"]
        return start is not None and self.seen >= start

    @contextmanager
    def _noise(self) -> Iterator[None]:
        """Add noise to the weight matrices, and take it off again."""
        spread = self.settings["weight_noise"]
        if not (self.hardening and spread):
            yield
            return
        weights = [weight for name, weight in self.model.named_parameters() if _is_weight(name)]
        clean = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            for weight in weights:
                noise = torch.randn(weight.shape, generator=self.generator)
                weight.add_(noise.to(self.device), alpha=spread)
        try:
            yield
        finally:  # also when Ctrl-C comes in between
            with torch.no_grad():
                for weight, value in zip(weights, clean, strict=True):
                    weight.copy_(value)

    def _start(self, size: int) -> tuple[NTMState, ...]:
        """Return the state to start from, if the memory is to have another size."""
        sizes = self.settings["memory_sizes"]
        if not (self.hardening and sizes):
            return ()
        assert isinstance(self.model, NTM)
        turn = self.seen // self.settings["batch_size"]
        return (self.model.initial_state(size, sizes[turn % len(sizes)]),)

    def _difficulty(self, size: int) -> Difficulty:
        """Draw how hard the next batch is; while the ramp lasts, from its easier end."""
        ramp = self.settings["ramp"]
        share = min(1.0, RAMP_START + (1 - RAMP_START) * self.seen / ramp) if ramp else 1.0
        return self.task.draw(size if self.settings["mixed"] else None, self.generator, share)

    def _set_learning_rate(self) -> None:
        length, decay = self.settings["sequences"] / self.settings["rounds"], self.settings["decay"]
        left = 1 - self.seen % length / length
        rate = self.settings["learning_rate"] * min(1.0, left / decay if decay else 1.0)
        if self.settled:
            rate *= SETTLED
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _clip(self) -> bool:
        """Clip the gradient; tell whether it was finite, or stop if it should have been."""
        parameters = list(self.model.parameters())
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if torch.isfinite(nn.utils.get_total_norm(gradients, math.inf)):
            self.skipped = 0
            nn.utils.clip_grad_value_(parameters, self.settings["clip_value"])
            nn.utils.clip_grad_norm_(parameters, self.settings["clip_norm"])
            return True
        self.skipped += 1
        # Noise may hit a machine where it hurts; then the next noise will do.
        if self.hardening and self.settings["weight_noise"] and self.skipped < PATIENCE:
            return False
        raise FloatingPointError(
            f"the gradient is not finite after {self.seen} sequences; the weights are those "
            "before this step: lower the learning rate, or go back to a checkpoint"
        )

    def validation_due(self) -> bool:
        """Tell whether another ``validate_every`` sequences have gone by, or the last one."""
        done = self.history.sequences[-1] if self.history.sequences else 0
        step = self.settings["validate_every"]
        return self.seen // step > done // step or self.seen >= self.settings["sequences"]

    @torch.no_grad()
    def validate(self) -> None:
        """Score the model on the fixed validation sequences, and remember it if it is the best."""
        episode = validation_episode(
            self.task,
            self.settings["seed"],
            self.settings["validation_sequences"],
            **(self.settings["validation_difficulty"] or {}),
        ).to(self.device)
        logits, _ = self.evaluated(episode.inputs)
        bits = bits_per_sequence(logits, episode).mean().item()
        history, start = self.history, self.settings["harden_after"]
        before = history.sequences[-1] if history.sequences else 0
        if start is not None and before <= start < self.seen:
            self.best_bits = math.inf  # only hardened weights count from here on
        history.sequences.append(self.seen)
        history.training_bits.append(self.recent_bits / max(self.recent_sequences, 1))
        history.validation_bits.append(bits)
        history.validation_wrong.append(wrong_bits(logits, episode).double().mean().item())
        history.seconds.append(self.seconds)
        self.recent_bits, self.recent_sequences = 0.0, 0
        if bits < self.best_bits:
            unsettled = not self.settled
            self.best_bits, self.best = bits, _copy(self.evaluated.state_dict())
            if unsettled and self.settled:
                self.keep_best()  # the last weights may be worse than their average
        elif self.relapsed(bits):
            self.keep_best()
            self.evaluated.load_state_dict(self.best)

    def keep_best(self) -> None:
        """Put the weights that validated best into the model."""
        self.model.load_state_dict(self.best)

    def _identity(self) -> dict[str, Any]:
        """Tell this run from others, in words that JSON can hold."""
        network = getattr(self.model, "settings", None)
        return {"task": self.task.name, "network": network, **self.settings}

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all tensors and numbers of this run, as they are right after a validation."""
        optimizer = self.optimizer.state_dict()["state"]
        tensors = {
            **{f"model.{name}": value for name, value in self.model.state_dict().items()},
            **{f"best.{name}": value for name, value in self.best.items()},
            **{
                f"optimizer.{index}.{name}": value
                for index, values in optimizer.items()
                for name, value in values.items()
                if isinstance(value, Tensor)
            },
            "generator": self.generator.get_state(),
        }
        if self.averaged is not None:
            averaged = self.averaged.state_dict()
            tensors |= {f"averaged.{name}": value for name, value in averaged.items()}
        about = {
            **self._identity(),
            "history": asdict(self.history),
            "best_bits": self.best_bits if math.isfinite(self.best_bits) else None,
            "seen": self.seen,
            "skipped": self.skipped,
            "seconds": self.seconds,
        }
        return tensors, about

    def restore(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Go back to where a snapshot was taken."""
        for name, value in json.loads(json.dumps(self._identity())).items():
            if about.get(name) != value:
                raise ValueError(
                    f"checkpoint: it was made with {name}={about.get(name)!r}, not {value!r}; "
                    "use another file, or remove it to start anew"
                )
        self.model.load_state_dict(_under("model.", tensors))
        self.best = _under("best.", tensors)
        state, parameters = self.optimizer.state_dict(), list(self.model.parameters())
        for name, value in _under("optimizer.", tensors).items():
            index, field_name = name.split(".", 1)
            weight = parameters[int(index)]
            if value.shape == weight.shape:
                # Fused Adam walks raw memory: a moment has to lie there as its weight does.
                value = torch.empty_like(weight, requires_grad=False).copy_(value)
            state["state"].setdefault(int(index), {})[field_name] = value
        self.optimizer.load_state_dict(state)
        if self.averaged is not None:
            self.averaged.load_state_dict(_under("averaged.", tensors))
        self.generator.set_state(tensors["generator"])
        self.history = History(**about["history"])
        self.best_bits = math.inf if about["best_bits"] is None else about["best_bits"]
        self.seen, self.seconds = about["seen"], about["seconds"]
        self.skipped = about.get("skipped", 0)  # older checkpoints do not say


def _loss(logits: Tensor, episode: Episode) -> Tensor:
    """Cross-entropy in nats, summed over the outputs that count, averaged over the batch."""
    loss = binary_cross_entropy_with_logits(logits, episode.targets, reduction="none").sum(-1)
    mask = episode.mask if episode.mask.dim() == 2 else episode.mask.unsqueeze(-1)
    return (loss * mask).sum() / logits.shape[1]


def _is_weight(name: str) -> bool:
    """Tell the weight matrices from the biases and the learned start."""
    return name.rpartition(".")[2].startswith("weight")


def _make_optimizer(model: nn.Module, settings: dict[str, Any]) -> torch.optim.Optimizer:
    if settings["optimizer"] == "adam":
        return torch.optim.Adam(
            model.parameters(),
            settings["learning_rate"],
            betas=(settings["momentum"], settings["smoothing"]),
            eps=settings["epsilon"],
            fused=True,
        )
    return torch.optim.RMSprop(
        model.parameters(),
        settings["learning_rate"],
        alpha=settings["smoothing"],
        eps=settings["epsilon"],
        centered=True,
        momentum=settings["momentum"],
    )


def _check(model: nn.Module, task: Task, settings: dict[str, Any]) -> None:
    """Refuse settings out of range, and validation outside the training range."""
    whole = ("sequences", "rounds", "batch_size", "validate_every", "validation_sequences")
    check_positive(**{name: settings[name] for name in whole})
    for name in ("learning_rate", "epsilon", "clip_value", "clip_norm"):
        if not isinstance(settings[name], int | float) or not settings[name] > 0:
            raise ValueError(f"{name}: expected a positive number, got {settings[name]!r}")
    if not isinstance(settings["ramp"], int) or settings["ramp"] < 0:
        raise ValueError(f"ramp: expected a whole number of at least 0, got {settings['ramp']!r}")
    if not isinstance(settings["decay"], int | float) or not 0 <= settings["decay"] <= 1:
        raise ValueError(f"decay: expected a number from 0 to 1, got {settings['decay']!r}")
    for name in ("average", "momentum", "smoothing"):
        if not isinstance(settings[name], int | float) or not 0 <= settings[name] < 1:
            raise ValueError(f"{name}: expected 0 or more and below 1, got {settings[name]!r}")
    for name in ("hold_at", "settle_at", "stop_at"):
        if not isinstance(settings[name], int | float | None):
            raise ValueError(f"{name}: expected a number or None, got {settings[name]!r}")
    if settings["optimizer"] not in OPTIMIZERS:
        raise ValueError(f"optimizer: expected one of {OPTIMIZERS}, got {settings['optimizer']!r}")
    check_seed(settings["seed"])
    start, noise = settings["harden_after"], settings["weight_noise"]
    if start is not None and (not isinstance(start, int) or start < 0):
        raise ValueError(f"harden_after: expected a whole number of at least 0, got {start!r}")
    if not isinstance(noise, int | float) or not noise >= 0:
        raise ValueError(f"weight_noise: expected a number of at least 0, got {noise!r}")
    if settings["memory_sizes"]:
        if not isinstance(model, NTM):
            raise ValueError("memory_sizes: only an NTM has a memory; leave it out")
        for size in settings["memory_sizes"]:
            model.initial_state(1, size)  # refuses a size that does not fit
    for name, value in (settings["validation_difficulty"] or {}).items():
        if name not in task.training_range:
            raise ValueError(
                f"validation_difficulty: expected one of {list(task.training_range)}, got {name!r}"
            )
        low, high = task.training_range[name]
        if not low <= value <= high:
            raise ValueError(f"validation_difficulty: {name} is {low} to {high}, got {value}")


def _progress_bar(run: _Run, wanted: bool) -> tqdm:
    return tqdm(
        total=run.settings["sequences"],
        initial=run.seen,
        unit=" sequences",
        disable=not wanted,
        dynamic_ncols=True,
    )


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
