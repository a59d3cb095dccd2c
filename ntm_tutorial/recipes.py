"""One table: what the paper used and what we use, for every task and model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ntm_tutorial import speed
from ntm_tutorial.callbacks import Average, Harden, Settle
from ntm_tutorial.checks import check_number, plain, telling, whole
from ntm_tutorial.models import FAMILIES, family
from ntm_tutorial.settings import (
    DEFAULTS,
    MAIN,
    Curriculum,
    Fixed,
    Optimizer,
    Schedule,
    Settings,
    Validation,
    flat,
    typed,
)
from ntm_tutorial.tasks import ALL_TASKS, Task
from ntm_tutorial.training import History, train

MODELS = tuple(name for name, row in FAMILIES.items() if not row.beyond)
"""The paper's three models."""


@dataclass(frozen=True)
class Paper:
    """A row of the paper's Tables 1 to 3; its optimiser was RMSProp throughout.

    Attributes:
        heads: pairs of a read and a write head, 0 for the LSTM.
        controller: units of the controller or of the LSTM, as the paper writes them.
        learning_rate: RMSProp's.
        parameters: the number of weights.
    """

    heads: int
    controller: str
    learning_rate: float
    parameters: int


READS = "reads"
"""The name of a controller's input channels beyond the task's."""


@dataclass(frozen=True)
class Recipe:
    """How we build and train one model for one task, beside what the paper did.

    Attributes:
        task: a name in ``ALL_TASKS``.
        model: a name in ``FAMILIES``.
        paper: the paper's settings; None where it has no such model or task.
        network: keyword arguments of the family, such as ``memory_locations``.
        settings: how it is trained.
        input_gain: by name, how many times larger the weights of input channels start, into the
            controller or the LSTM: a name in the task's ``input_channels``, or ``"reads"``.
        seed: the one that trained the model in ``pretrained``.
    """

    task: str
    model: str
    paper: Paper | None
    network: dict[str, Any]
    settings: Settings
    input_gain: dict[str, float] = field(default_factory=Fixed)
    seed: int = 0

    def __post_init__(self) -> None:
        """Let nobody change what all share."""
        for name in ("network", "input_gain"):
            object.__setattr__(self, name, Fixed(getattr(self, name)))

    @property
    def training(self) -> dict[str, Any]:
        """The settings by their flat names: the main ones, and those that differ from the usual."""
        named = flat(self.settings).items()
        return {name: value for name, value in named if name in MAIN or value != DEFAULTS[name]}

    def build(self, seed: int = 0) -> nn.Module:
        """Build the model with a start drawn from ``seed``; the global random state is kept."""
        task: Task = ALL_TASKS[self.task]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(whole("seed", seed, None))  # no accelerator's
            model: Any = family(self.model).build(task.input_size, task.output_size, **self.network)
            for name, gain in self.input_gain.items():
                numbers = self._channels[name]
                model.scale_input(slice(numbers.start, numbers.stop), gain)
            return speed.fast(model)

    def train(
        self,
        model: nn.Module,
        *,
        seed: int = 0,
        compile: bool = False,
        progress: bool = True,
        checkpoint: str | Path | None = None,
        on_validation: Callable[[History], None] | None = None,
        **changes: Any,
    ) -> History:
        """Train a model as this recipe says; ``changes`` are settings by their flat names.

        See ``train`` for the other arguments, for what is returned and for what is raised.
        """
        return train(
            model, ALL_TASKS[self.task], **vars(self.settings.but(**changes)), seed=seed,
            compile=compile, progress=progress, checkpoint=checkpoint, on_validation=on_validation,
        )  # fmt: skip

    def but(self, **changes: Any) -> "Recipe":
        """Return this recipe with other settings, by flat name.

        ``network`` and ``input_gain`` are added to its own.

        Raises:
            TypeError: if there is no such setting.
            ValueError: if one is out of range.
        """
        own = {}
        known = {"network": family(self.model).sizes, "input_gain": list(self._channels)}
        for group, names in known.items():
            given = {name: plain(value) for name, value in changes.pop(group, {}).items()}
            if unknown := [name for name in given if name not in names]:
                raise TypeError(f"{group}: expected one of {names}, got {unknown[0]!r}")
            own[group] = getattr(self, group) | given
        for name, gain in own["input_gain"].items():
            check_number(f"input_gain of {name}", gain, 0)
        return replace(self, **own, settings=self.settings.but(**changes))

    def describe(self) -> dict[str, Any]:
        """Describe it as weight and result files do: settings flat, input channels by number."""
        gains: dict[str, float] = {}
        for name, gain in self.input_gain.items():
            gains |= dict.fromkeys(map(str, self._channels[name]), gain)
        names = {"task": self.task, "model": self.model, "network": dict(self.network)}
        return {**names, "training": flat(self.settings), "input_gain": gains}

    @classmethod
    def described(cls, about: Mapping[str, Any]) -> "Recipe":
        """Return the recipe that a file describes; what it leaves out is as usual.

        Raises:
            ValueError: if its gains are of other channels.
        """
        plan = replace(
            recipe(about["task"], about["model"]),
            network=about["network"],
            settings=typed(about["training"]),
            input_gain={},
        )
        gains = about.get("input_gain", {})
        named = {
            name: gains[str(numbers[0])]
            for name, numbers in plan._channels.items()
            if 0 < len(numbers) <= len(gains) and str(numbers[0]) in gains
        }
        plan = replace(plan, input_gain=named)
        if plan.describe()["input_gain"] != gains:
            raise ValueError(f"input_gain: expected whole groups of channels, got {gains}")
        return plan

    @property
    def _channels(self) -> dict[str, range]:
        """The numbers of the input channels whose weights may start larger, by name."""
        task, kind = ALL_TASKS[self.task], family(self.model)
        if not hasattr(kind.kind, "scale_input"):
            return {}
        start = task.input_size
        ours = {name: range(*part.indices(start)) for name, part in task.input_channels.items()}
        if "read_heads" not in kind.sizes:
            return ours
        sizes = {"read_heads": 1, "memory_width": 20, **self.network}
        return ours | {READS: range(start, start + sizes["read_heads"] * sizes["memory_width"])}


@telling
def recipe(task_name: str, model_name: str, *, live: bool = False) -> Recipe:
    """Look up the recipe for a task and a model; the quick one where it is to be ``live``.

    Raises:
        ValueError: if there is no such task or model, or none for the two.
    """
    table = LIVES if live else ALL_RECIPES
    tasks = sorted({task for task, _ in table})
    if task_name not in tasks:
        raise ValueError(f"task_name: expected one of {tasks}, got {task_name!r}")
    family(model_name)
    if (task_name, model_name) not in table:
        those = [model for task, model in table if task == task_name]
        raise ValueError(f"model_name: expected one of {those} on {task_name}, got {model_name!r}")
    return table[task_name, model_name]


def _heads(pairs: int, size: int = 100) -> dict[str, int]:
    return {
        "controller_size": size,
        "controller_layers": 1,
        "read_heads": pairs,
        "write_heads": pairs,
    }


# A large eps makes Adam's steps small where the gradient is, which keeps what was learned.
_NTM = Settings(
    100_000, optimizer=Optimizer(betas=(0.9, 0.999), eps=0.1), schedule=Schedule(decay=0.5),
    validation=Validation(every=4_000), callbacks=(Average(0.99),),
)  # fmt: skip
_NTM_LSTM = _NTM.but(ramp=20_000, average=0.98, validate_every=2_000)
# The LSTM has the NTMs' batches and a million sequences, as in the paper's curves, or more where
# its curve still falls. On repeat copy it stays on a plateau unless the range grows (ramp).
_LSTM = Settings(
    1_000_000, 16, 1e-3, Optimizer(betas=(0.9, 0.999), eps=1e-8), Schedule(decay=0.5),
    Curriculum(mixed=False), Validation(every=20_000, sequences=200),
)  # fmt: skip

# One difficulty a batch wastes less on padding. The task is learned before hardening starts. The
# count is a number among bits: larger first weights should saturate the units that listen to it, so
# that a count never heard drives them nowhere new. What hardening
# and these weights are worth is open: see chapter 12.
_REPEAT = Settings(
    400_000, optimizer=_NTM.optimizer, schedule=Schedule(decay=0.6),
    curriculum=Curriculum(mixed=False), validation=Validation(every=10_000, sequences=200),
    callbacks=(Average(0.99), Harden(200_000, weight_noise=0.04, memory_sizes=(32, 128))),
)  # fmt: skip
# With that eps of 0.1 a start may stay for good where every copy is half guessed.
_REPEAT_EAGER = _REPEAT.but(epsilon=0.01, ramp=20_000)
_REPEAT_FEEDFORWARD = _REPEAT_EAGER.but(sequences=600_000, harden_after=300_000, hold_at=5.0)
_REPEAT_LSTM = _REPEAT_EAGER.but(harden_after=160_000, weight_noise=0.03, decay=0.5, average=0.98)
_COUNT = {"repeats": 8.0}

# A pointer needs precision rather than caution: Adam's usual eps learns this task far sooner.
# It is learned long before hardening starts, which is there for longer lists.
_RECALL = Settings(
    200_000, 16, 1e-3, Optimizer(betas=(0.9, 0.999), eps=1e-8), Schedule(decay=0.5),
    validation=Validation(every=4_000, sequences=200),
    callbacks=(Average(0.98), Harden(100_000, weight_noise=0.03, memory_sizes=(64, 128))),
)  # fmt: skip
# With that eps a single gradient can undo it all, and leave none to learn from: then go back.
_RECALL_LSTM = _RECALL.but(
    sequences=160_000, harden_after=80_000, ramp=20_000, hold_at=1.0, mixed=False,
    validation_sequences=100,
)  # fmt: skip

# A table in memory from the start. With these weights for the bit and the reads, what is read tells
# something of the last five bits before training; else a feed-forward controller may stop at four.
# The feed-forward machine is trained from seed 3, which of seeds 0 to 3 tells most of the fifth.
_TABLE = _heads(1) | {"learned_memory": True}
_NGRAMS = Settings(
    200_000, 16, 2e-3, Optimizer(betas=(0.9, 0.999), eps=1e-8), Schedule(decay=1.0),
    Curriculum(mixed=False), Validation(every=2_000, sequences=64),
)  # fmt: skip
_BIT = {"bits": 2.0, "reads": 0.6}

# A shelf in memory from the start: rows that change little by little along the memory, and weights
# for the priority large enough that units tell its values apart. Near ties take long to learn.
_SORT = _NGRAMS.but(
    sequences=400_000, learning_rate=1e-3, decay=0.6, average=0.98, validate_every=4_000
)

RECIPES: dict[tuple[str, str], Recipe] = {
    (row.task, row.model): row
    for row in (
        Recipe("copy", "ntm-feedforward", Paper(1, "100", 1e-4, 17_162), _heads(1), _NTM),
        Recipe("copy", "ntm-lstm", Paper(1, "100", 1e-4, 67_561), _heads(1), _NTM_LSTM),
        Recipe("copy", "lstm", Paper(0, "3 x 256", 3e-5, 1_352_969),
               {"hidden_size": 256, "layers": 3}, _LSTM, seed=2),
        Recipe("repeat-copy", "ntm-feedforward", Paper(1, "100", 1e-4, 16_712), _heads(1),
               _REPEAT_FEEDFORWARD, _COUNT, seed=3),
        Recipe("repeat-copy", "ntm-lstm", Paper(1, "100", 1e-4, 66_111), _heads(1),
               _REPEAT_LSTM, _COUNT),
        Recipe("repeat-copy", "lstm", Paper(0, "3 x 512", 3e-5, 5_312_007),
               {"hidden_size": 512, "layers": 3},
               _LSTM.but(sequences=300_000, ramp=40_000, decay=0.4, validate_every=10_000)),
        Recipe("associative-recall", "ntm-feedforward", Paper(4, "256", 1e-4, 146_845),
               _heads(4, 256), _RECALL),
        Recipe("associative-recall", "ntm-lstm", Paper(1, "100", 1e-4, 70_330),
               _heads(1), _RECALL_LSTM),
        Recipe("associative-recall", "lstm", Paper(0, "3 x 256", 1e-4, 1_344_518),
               {"hidden_size": 256, "layers": 3}, _LSTM),
        Recipe("dynamic-ngrams", "ntm-feedforward", Paper(1, "100", 3e-5, 14_656), _TABLE,
               _NGRAMS, _BIT, seed=3),
        Recipe("dynamic-ngrams", "ntm-lstm", Paper(1, "100", 3e-5, 61_749), _TABLE,
               _NGRAMS.but(sequences=120_000), _BIT),
        Recipe("dynamic-ngrams", "lstm", Paper(0, "3 x 128", 1e-4, 331_905),
               {"hidden_size": 128, "layers": 3, "forget_bias": 2.0},
               _NGRAMS.but(sequences=300_000, learning_rate=4e-3, average=0.98,
                           validate_every=4_000),
               {"bits": 30.0}, seed=1),
        Recipe("priority-sort", "ntm-feedforward", Paper(8, "512", 3e-5, 508_305),
               _heads(4, 256) | {"learned_memory": True, "memory_periods": 1.5},
               _SORT.but(sequences=1_200_000, rounds=3), {"priority": 3.0}, seed=1),
        Recipe("priority-sort", "ntm-lstm", Paper(5, "2 x 100", 3e-5, 269_038),
               _heads(4, 200) | {"learned_memory": True, "memory_periods": 3.0}, _SORT,
               {"priority": 2.0}),
        Recipe("priority-sort", "lstm", Paper(0, "3 x 128", 3e-5, 384_424),
               {"hidden_size": 128, "layers": 3},
               _LSTM.but(sequences=1_600_000, decay=0.6, validate_every=40_000,
                         validation_sequences=100), seed=2),
    )
}  # fmt: skip
"""The paper's fifteen, by task and model. The NTM's memory is 128 x 20 everywhere, as in the paper.

The settings are those that trained the models in ``pretrained``.
"""

# Trained in a small memory, and validated and tested in a larger one: a third more locations than
# the longest test has vectors, which is at times too few. An average of weights costs a tenth of
# what they do: how nearly gates are open or shut decides how far a chain holds.
_DNCS = ("dnc", "dnc-repaired")
_DNC = Settings(
    32_000, 16, 3e-3, Optimizer(betas=(0.9, 0.999), eps=1e-8, clip_norm=1.0), Schedule(decay=0.5),
    Curriculum(mixed=False), Validation(every=2_000, sequences=64),
    callbacks=(Average(0.98), Harden(0, memory_sizes=(32,))),
)  # fmt: skip
_LARGER = {"memory_locations": 160}

# One difficulty a batch: nothing is padded, and a batch costs what its length does. Where positions
# are coupled, one head has all the pairs, and with a small base each turns far within training: few
# of them come together again at a distance beyond it, and an angle that did not turn may mislead.
_ATTENTION = Settings(
    40_000, 64, 3e-3, Optimizer(betas=(0.9, 0.999), eps=1e-8, clip_norm=1.0), Schedule(decay=0.9),
    Curriculum(mixed=False), Validation(every=3_200, sequences=200),
)  # fmt: skip

# Learned slowly: many small batches do more in the same time than few large ones.
_ATTENTION_LONG = _ATTENTION.but(sequences=64_000, batch_size=16, learning_rate=2e-3)

_COUPLED = {"heads": 1, "base": 10.0}


def _restart(task_name: str, *names: str) -> dict[str, Any]:
    """Let coupled positions start again at a task's delimiters."""
    channels = ALL_TASKS[task_name].input_channels
    return {"restart": [channels[name].start for name in names or ("delimiter",)]}


# All steps at once: no gradient goes through a loop, so nothing has to be held back by a large eps.
# Chosen on rebinding, whose keys are rows of bits and need room; the same for all other tasks.
_FAST = Settings(
    40_000, 16, 4e-3, Optimizer(betas=(0.9, 0.999), eps=1e-8), Schedule(decay=0.6),
    Curriculum(mixed=False), Validation(every=2_000, sequences=100),
)  # fmt: skip
_FAST_ROWS: tuple[tuple[str, dict[str, int], Settings], ...] = (
    ("copy", {}, _FAST),
    ("repeat-copy", {}, _FAST.but(sequences=20_000, validate_every=1_000)),
    ("associative-recall", {}, _FAST),
    ("dynamic-ngrams", {"convolution": 6},
     _FAST.but(sequences=12_000, batch_size=8, learning_rate=3e-3, validate_every=600)),
    ("priority-sort", {}, _FAST.but(sequences=20_000, validate_every=1_000)),
    ("rebinding", {"key_width": 64}, _FAST),
)  # fmt: skip

# A context says all, and its place nothing. Six steps make a key: the five bits before a value.
_CONTEXTS = {"layers": 1, "heads": 2, "convolution": 6, "sink": True}

BEYOND: dict[tuple[str, str], Recipe] = {
    (row.task, row.model): row
    for row in (
        # What is retold in ticks asks for the same. Two heads: one may count, one may copy. The
        # machine of seed 100, on which this was tried, is the one that chapter 8 opens.
        Recipe("repeat-copy-ticks", "ntm-feedforward", None, _heads(2),
               _REPEAT.but(sequences=300_000, harden_after=150_000, ramp=40_000), seed=100),
        *(Recipe("copy", model, None, _LARGER, _DNC) for model in _DNCS),
        # It is learned on short sequences and few repeats, or not at all.
        *(Recipe("repeat-copy", model, None, {}, _DNC.but(sequences=64_000, ramp=40_000), _COUNT)
          for model in _DNCS),
        Recipe("repeat-copy", "transformer-rope", None, {}, _ATTENTION_LONG),
        Recipe("repeat-copy", "transformer-coupled", None, _restart("repeat-copy"),
               _ATTENTION_LONG),
        # An item is four steps; a key of eight sees the one before.
        Recipe("associative-recall", "transformer-rope", None, {"convolution": 8},
               _ATTENTION.but(sequences=64_000)),
        Recipe("associative-recall", "transformer-coupled", None,
               _COUPLED | {"convolution": 8}
               | _restart("associative-recall", "item delimiter", "query delimiter"),
               _ATTENTION.but(sequences=64_000)),
        Recipe("priority-sort", "transformer-rope", None, {}, _ATTENTION_LONG),
        Recipe("priority-sort", "transformer-coupled", None, _restart("priority-sort"),
               _ATTENTION_LONG),
        Recipe("dynamic-ngrams", "transformer-none", None, _CONTEXTS,
               _ATTENTION.but(sequences=16_000, batch_size=32, average=0.98, validate_every=800,
                              validation_sequences=64)),
        # Each length is a distance of its own here, so a batch has all lengths.
        Recipe("copy", "transformer-rope", None, {},
               _ATTENTION.but(sequences=384_000, learning_rate=2e-3, mixed=True,
                              validate_every=12_800)),
        Recipe("copy", "transformer-coupled", None, _COUPLED | _restart("copy"), _ATTENTION),
        *(Recipe(task, model, None, network, settings) for task, network, settings in _FAST_ROWS
          for model in ("linear-attention", "delta", "gated-delta")),
    )
}  # fmt: skip
"""What the paper does not have: its successors, and tasks of ours. By task and model."""

WITHOUT: dict[tuple[str, str], str] = {
    **{
        ("dynamic-ngrams", model): "a place says nothing here: see no positions"
        for model in ("transformer-rope", "transformer-coupled")
    },
    **{
        (task, "transformer-none"): "not trained: needs to know places"
        for task in ("repeat-copy", "associative-recall", "priority-sort")
    },
    **{
        (task, model): "no recipe yet"
        for task in ("associative-recall", "dynamic-ngrams", "priority-sort")
        for model in _DNCS
    },
}
"""Why one of the paper's tasks has no recipe for a model, by task and model."""

ALL_RECIPES = {
    pair: plan for task in ALL_TASKS for pair, plan in (RECIPES | BEYOND).items() if pair[0] == task
}
"""Every recipe, by task and model, a task after the other."""

_LIVE = Settings(
    50_000, 16, 4e-3, Optimizer(clip_norm=3.0), Schedule(decay=0.2), Curriculum(ramp=8_000),
    Validation(every=1_000, sequences=400, difficulty={"length": 20}, stop_at=0.1),
    callbacks=(Average(0.96), Settle(0.1)),
)  # fmt: skip

# What it reads is all that a feed-forward controller remembers: nothing else tells it to listen or
# to answer when a vector of zeros comes, or two. So its weights for the reads start larger still
# than those for the bits. An LSTM has a memory of its own, and reads as loud as that drown it.
# It learns what zeros mean from the few sequences that have some: they need a say in the step
# (clip_norm), but must not carry it on (betas), and what they still break is put back (Hold).
_LOUD_READS = {"reads": 2.0}
_QUIET_READS = {"reads": 0.125}

LIVE = Recipe(
    "copy", "ntm-feedforward", Paper(1, "100", 1e-4, 17_162), _heads(1), _LIVE, _LOUD_READS
)
"""The quick recipe for copy, at the paper's size; chapter 6 names it."""

LIVE_LSTM = Recipe(
    "copy", "ntm-lstm", Paper(1, "100", 1e-4, 67_561), _heads(1),
    _LIVE.but(momentum=0.5, clip_norm=10.0, hold_at=40.0),
    _QUIET_READS,
)  # fmt: skip
"""The same for the other controller, which takes two to three times as long."""

LIVES = {(plan.task, plan.model): plan for plan in (LIVE, LIVE_LSTM)}
"""Both, by task and model."""
