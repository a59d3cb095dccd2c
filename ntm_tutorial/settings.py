"""Every setting of a training run, in groups; and the flat names that files and ``--set`` have."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Never

import torch
from torch import Generator, Tensor, nn

from ntm_tutorial.callbacks import Average, Callback, Harden, Hold, Settle
from ntm_tutorial.checks import check_kind, check_number, whole
from ntm_tutorial.evaluation import SEEDS, training_cells
from ntm_tutorial.tasks import Episode, Task
from ntm_tutorial.tasks.base import Difficulty

OPTIMIZERS = ("adam", "rmsprop")
LARGEST_BATCH = 100_000
"""No batch, and no validation, has more sequences: it would not fit into memory."""
RAMP_START = 0.2
"""The share of the training range, from its easy end, where a ramp starts."""


class Fixed(dict[str, Any]):
    """A dict that nobody changes, so that all may share it; ``|`` makes a plain one."""

    def _refuse(self, *_: Any, **__: Any) -> Never:
        raise TypeError("this is shared and stays as it is; use its | to make another")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self) -> Any:
        """Let it be copied and sent to other processes."""
        return Fixed, (dict(self),)


@dataclass(frozen=True)
class Optimizer:
    """How the weights follow the gradient.

    Attributes:
        kind: ``"adam"``, or ``"rmsprop"``, the paper's kind: centred and with momentum as in
            Graves (2013), who adds ``eps`` under the root, where PyTorch adds it behind.
        betas: how slowly the mean gradient and the mean squared gradient change; RMSProp's
            momentum and smoothing. Adam's usual 0.999 for the second lets one sudden large
            gradient carry a weight by 30 learning rates before its effect has faded, and a learned
            solution is lost; with 0.9 it is about 6.
        eps: added to the denominator. A large one keeps steps small when the gradient is.
        clip_value: bound on each gradient component, as in the paper.
        clip_norm: bound on the whole gradient's norm.
    """

    kind: str = "adam"
    betas: tuple[float, float] = (0.9, 0.9)
    eps: float = 0.01
    clip_value: float = 10.0
    clip_norm: float = 10.0

    def build(self, model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
        """Return PyTorch's optimiser for a model's weights."""
        momentum, smoothing = self.betas
        weights = model.parameters()
        if self.kind == "adam":
            return torch.optim.Adam(
                weights, learning_rate, betas=(momentum, smoothing), eps=self.eps, fused=True
            )
        return torch.optim.RMSprop(
            weights, learning_rate, alpha=smoothing, eps=self.eps, centered=True, momentum=momentum
        )

    def clip(self, model: nn.Module) -> bool:
        """Clip the gradient, if it is finite; tell whether it is."""
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        if not torch.isfinite(nn.utils.get_total_norm(gradients, math.inf)):
            return False
        nn.utils.clip_grad_value_(model.parameters(), self.clip_value)
        nn.utils.clip_grad_norm_(model.parameters(), self.clip_norm)
        return True


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes.

    Attributes:
        decay: last share of a round over which it falls linearly to zero.
        rounds: cut the run into so many rounds of equal length, each from the full learning rate
            (warm restarts, Loshchilov and Hutter 2017): the next goes on from what one has reached.
    """

    decay: float = 0.0
    rounds: int = 1

    def factor(self, seen: int, sequences: int) -> float:
        """Return the share of the full rate after so many of all sequences."""
        length = sequences / self.rounds
        left = 1 - seen % length / length
        return min(1.0, left / self.decay if self.decay else 1.0)


@dataclass(frozen=True)
class Curriculum:
    """How hard the sequences are, within the task's training range.

    Attributes:
        mixed: draw a difficulty for each sequence; otherwise one for each batch.
        ramp: over this many sequences, let the upper end of the training range grow from
            ``RAMP_START`` of it to the whole.
    """

    mixed: bool = True
    ramp: int = 0

    def draw(self, task: Task, size: int, seen: int, generator: Generator) -> Difficulty:
        """Draw one number, or one a sequence (B,); while the ramp lasts, from the easier end."""
        share = 1.0
        if self.ramp:
            share = min(1.0, RAMP_START + (1 - RAMP_START) * seen / self.ramp)
        return task.draw(size if self.mixed else None, generator, share)


@dataclass(frozen=True)
class Validation:
    """When and on what a run is validated: always on the same sequences.

    Attributes:
        every: sequences between validations.
        sequences: how many a validation uses.
        difficulty: theirs; left out, drawn from the training range.
        even: spread half of them evenly over the cells of the training range, so that the easy end
            is seen too.
        stop_at: stop once the validation cost is at most this many bits.
    """

    every: int = 2_000
    sequences: int = 100
    difficulty: Mapping[str, int] | None = None
    even: bool = False
    stop_at: float | None = None

    def episode(self, task: Task, seed: int) -> Episode:
        """Draw the sequences for the run from this seed; training and testing never see them."""
        generator = torch.Generator().manual_seed(SEEDS + seed)
        wanted: Difficulty = dict(self.difficulty or {})
        if self.even:
            cells = torch.tensor(training_cells(task))
            spread = cells[torch.linspace(0, len(cells) - 1, self.sequences // 2).round().long()]
            drawn = task.draw(self.sequences, generator)
            for name, values in zip(drawn, spread.T, strict=True):
                rest = torch.as_tensor(drawn[name])[len(values) :]
                wanted.setdefault(name, torch.cat([values, rest]))
        return task.sample(self.sequences, generator=generator, **wanted)


@dataclass(frozen=True)
class Settings:
    """All that makes a training run what it is, but for its seed; ``train`` says what each is."""

    sequences: int
    batch_size: int = 16
    learning_rate: float = 3e-3
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    curriculum: Curriculum = Curriculum()
    validation: Validation = Validation()
    callbacks: tuple[Callback, ...] = ()

    def but(self, **changes: Any) -> "Settings":
        """Return these settings with others in place of some, by their flat names.

        Raises:
            TypeError: if there is no such setting.
            ValueError: if one is out of range.
        """
        for name in changes:
            if name not in NAMES:
                raise TypeError(f"no setting is called {name!r}; expected one of {list(NAMES)}")
        names = [one.name or type(one).__name__ for one in self.callbacks]
        if len({*names, *RESERVED}) < len(names) + len(RESERVED):
            raise ValueError(
                f"callbacks: expected one of each name, none of {RESERVED}, got {names}"
            )
        plain, changed = typed(flat(self)), typed(flat(self) | changes)
        callbacks = tuple(one for one in self.callbacks if type(one) not in OURS)
        own: dict[str, Any] = {"callbacks": changed.callbacks + callbacks}
        for name in ("optimizer", "schedule", "curriculum", "validation"):
            group, usual = getattr(self, name), getattr(changed, name)
            if type(group) is not type(usual):  # a reader's may do more than its settings say
                if usual != getattr(plain, name):
                    raise ValueError(f"{name}: it is of a class of yours; set it there")
                own[name] = group
        return replace(changed, **own)


OURS = (Average, Harden, Hold, Settle)
MAIN = ("sequences", "batch_size", "learning_rate")
RESERVED = ("model", "best", "optimizer", "generator")
"""What checkpoints call other parts: no callback may have such a name."""


def flat(settings: Settings) -> dict[str, Any]:
    """Give every setting its name in files, on the command line, and as an argument of ``train``.

    Adam's two betas are called ``momentum`` and ``smoothing`` there.
    """
    optimizer, validation = settings.optimizer, settings.validation
    found: dict[Any, Any] = {type(one): one for one in settings.callbacks}
    harden = found.get(Harden, Harden(None))
    return {
        "sequences": settings.sequences,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "optimizer": optimizer.kind,
        "epsilon": optimizer.eps,
        "momentum": optimizer.betas[0],
        "smoothing": optimizer.betas[1],
        "decay": settings.schedule.decay,
        "rounds": settings.schedule.rounds,
        "hold_at": found[Hold].at if Hold in found else None,
        "settle_at": found[Settle].at if Settle in found else None,
        "clip_value": optimizer.clip_value,
        "clip_norm": optimizer.clip_norm,
        "ramp": settings.curriculum.ramp,
        "average": found[Average].decay if Average in found else 0.0,
        "mixed": settings.curriculum.mixed,
        "harden_after": harden.after,
        "weight_noise": harden.weight_noise,
        "memory_sizes": list(harden.memory_sizes),
        "validate_every": validation.every,
        "validation_sequences": validation.sequences,
        "validation_difficulty": validation.difficulty and dict(validation.difficulty),
        "validation_even": validation.even,
        "stop_at": validation.stop_at,
    }


def typed(flat: Mapping[str, Any]) -> Settings:
    """Check settings that have flat names, and put them into their groups.

    Raises:
        ValueError: naming the first that is out of range.
    """
    given = _checked({**DEFAULTS, **flat})
    callbacks: list[Callback] = []
    if given["average"]:
        callbacks.append(Average(given["average"]))
    harden = Harden(given["harden_after"], given["weight_noise"], tuple(given["memory_sizes"]))
    if harden != Harden(None):
        callbacks.append(harden)
    if given["hold_at"] is not None:
        callbacks.append(Hold(given["hold_at"]))
    if given["settle_at"] is not None:
        callbacks.append(Settle(given["settle_at"]))
    return Settings(
        sequences=given["sequences"],
        batch_size=given["batch_size"],
        learning_rate=given["learning_rate"],
        optimizer=Optimizer(
            kind=given["optimizer"],
            betas=(given["momentum"], given["smoothing"]),
            eps=given["epsilon"],
            clip_value=given["clip_value"],
            clip_norm=given["clip_norm"],
        ),
        schedule=Schedule(given["decay"], given["rounds"]),
        curriculum=Curriculum(given["mixed"], given["ramp"]),
        validation=Validation(
            every=given["validate_every"],
            sequences=given["validation_sequences"],
            difficulty=given["validation_difficulty"] and Fixed(given["validation_difficulty"]),
            even=given["validation_even"],
            stop_at=given["stop_at"],
        ),
        callbacks=tuple(callbacks),
    )


DEFAULTS = flat(Settings(sequences=0))
"""What is usual, by flat name."""
NAMES = tuple(DEFAULTS)
"""The flat name of every setting."""


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as Python's own numbers; refuse what is out of range."""
    found = dict(given)
    for name in ("sequences", "rounds", "batch_size", "validate_every", "validation_sequences"):
        found[name] = whole(name, given[name])
    most = {"batch_size": LARGEST_BATCH, "validation_sequences": LARGEST_BATCH}
    for name, limit in (most | {"rounds": found["sequences"]}).items():
        if found[name] > limit:
            raise ValueError(f"{name}: expected at most {limit:,}, got {found[name]:,}")
    found["ramp"] = whole("ramp", given["ramp"], 0)
    if given["harden_after"] is not None:
        found["harden_after"] = whole("harden_after", given["harden_after"], 0)
    for name in ("learning_rate", "epsilon", "clip_value", "clip_norm"):
        if name in ("clip_value", "clip_norm") and given[name] == math.inf:
            continue  # no clipping
        found[name] = _number(name, given[name], "a positive number", lambda x: x > 0)
    found["decay"] = check_number("decay", given["decay"], 0, 1)
    for name in ("average", "momentum", "smoothing"):
        found[name] = _number(name, given[name], "0 or more and below 1", lambda x: 0 <= x < 1)
    found["weight_noise"] = check_number("weight_noise", given["weight_noise"], 0)
    for name in ("hold_at", "settle_at", "stop_at"):
        if given[name] is not None:
            found[name] = _number(name, given[name], "a number or None", lambda _: True)
    for name in ("mixed", "validation_even"):
        check_kind(name, given[name], bool)
    if given["optimizer"] not in OPTIMIZERS:
        raise ValueError(f"optimizer: expected one of {OPTIMIZERS}, got {given['optimizer']!r}")
    sizes, difficulty = given["memory_sizes"], given["validation_difficulty"]
    if not isinstance(sizes, list | tuple):
        raise ValueError(f"memory_sizes: expected a list of whole numbers, got {sizes!r}")
    found["memory_sizes"] = [whole("memory_sizes", size) for size in sizes]
    if not isinstance(difficulty, Mapping | None):
        raise ValueError(
            "validation_difficulty: expected a dict such as {'length': 20}, or None, "
            f"got {difficulty!r}"
        )
    if difficulty is not None:
        found["validation_difficulty"] = {
            name: whole(f"validation_difficulty: {name}", value, 0)
            for name, value in difficulty.items()
        }
    return found


def _number(name: str, value: Any, allowed: str, fits: Any) -> float:
    """Return a finite number that fits; refuse any other in these words."""
    try:
        known = not isinstance(value, bool | str | bytes | Tensor) and math.isfinite(value)
    except (TypeError, OverflowError):
        known = False
    if not known or not fits(value):
        raise ValueError(f"{name}: expected {allowed}, got {value!r}")
    return value if isinstance(value, int) else float(value)
