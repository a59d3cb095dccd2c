"""The failure lab: copy, trained with one thing taken away at a time, and what came of it.

``python -m ntm_tutorial.lab.failures`` trains every machine of the lab, each with live training's
recipe but for one thing, and writes a file for each into ``results/failures``. What is there it
leaves alone, unless it came from other settings than today's. So it can be interrupted.
"""

import json
import math
import re
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntm_tutorial import storage
from ntm_tutorial.evaluation import evaluate, testing_seed, wrong_bits
from ntm_tutorial.heads import HeadParameters
from ntm_tutorial.ntm import NTM, NTMState
from ntm_tutorial.recipes import LIVE, Recipe
from ntm_tutorial.settings import DEFAULTS
from ntm_tutorial.tasks.copy import Copy
from ntm_tutorial.training import History

FOLDER = Path(__file__).parent / "results" / "failures"
SEEDS = (0, 1)
LENGTH: dict[str, Any] = {
    "sequences": 10_000,
    "decay": 0.0,
    "stop_at": None,
    "validation_sequences": 100,
}
"""All runs are of this length, and none stops at the goal: does what was learned last?"""
POINTS = 200
"""At most so many points a file keeps of a run's gradients."""
RATE = LIVE.training["learning_rate"]
UNCLIPPED: dict[str, Any] = {"clip_value": math.inf, "clip_norm": math.inf}
CUSTOM: dict[str, Any] = {"smoothing": 0.999, "epsilon": 1e-8}
"""What Adam is used with elsewhere."""


class Machine(NTM):
    """An NTM whose memory starts otherwise, or that sees its last weightings otherwise."""

    start: Callable[[Tensor], Tensor] | None = None
    past: Callable[[Tensor], Tensor] | None = None

    def initial_state(self, batch_size: int, memory_locations: int | None = None) -> NTMState:
        """Return the usual start, but for the memory."""
        state = super().initial_state(batch_size, memory_locations)
        return state._replace(memory=self.start(state.memory)) if self.start else state

    def advance(
        self, x: Float[Tensor, "B I"], state: NTMState
    ) -> tuple[Float[Tensor, "B F"], NTMState]:
        """Compute the usual step."""
        if self.past:
            state = state._replace(weighting=self.past(state.weighting))
        return super().advance(x, state)


@dataclass(frozen=True)
class Experiment:
    """Live training with something taken away.

    Attributes:
        start: what becomes of the memory at the start.
        past: what becomes of the last weightings, at every step.
        heads: what becomes of the heads' parameters, at every step.
        training: settings of ``train`` that differ.
    """

    start: Callable[[Tensor], Tensor] | None = None
    past: Callable[[Tensor], Tensor] | None = None
    heads: Callable[[HeadParameters], HeadParameters] | None = None
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """All settings."""
        return LIVE.but(**LENGTH | self.training)

    def build(self, seed: int = 0) -> NTM:
        """Build the machine, with the weights from which live training starts."""
        intact = cast(NTM, LIVE.build(seed))
        with torch.random.fork_rng(devices=[]):
            machine = Machine(**intact.settings)
        machine.load_state_dict(intact.state_dict())
        machine.start, machine.past = self.start, self.past
        if self.heads is not None:
            change = self.heads
            machine.heads.register_forward_hook(lambda heads, inputs, head: change(head))
        return machine


EXPERIMENTS = {
    "intact": Experiment(),
    "memory starts near zero": Experiment(start=lambda memory: torch.full_like(memory, 1e-6)),
    "memory starts random": Experiment(start=lambda memory: 0.5 * torch.randn_like(memory)),
    "no clipping": Experiment(training=UNCLIPPED),
    "ten times the rate": Experiment(training={"learning_rate": 10 * RATE}),
    "a hundred times the rate": Experiment(training={"learning_rate": 100 * RATE}),
    "a tenth of the rate": Experiment(training={"learning_rate": RATE / 10}),
    # By softplus alone, without the 1 before it: below 1, Eq. 9 blurs.
    "sharpening without floor": Experiment(
        heads=lambda head: head._replace(sharpening=head.sharpening - 1)
    ),
    # The raw output, which may be negative: x = log(exp(softplus x) - 1).
    "key strength of any sign": Experiment(
        heads=lambda head: head._replace(key_strength=head.key_strength.expm1().log())
    ),
    # Of the raw output: exp x = exp(softplus x) - 1.
    "exponential key strength": Experiment(
        heads=lambda head: head._replace(key_strength=head.key_strength.expm1())
    ),
    "no gradient to the shift": Experiment(
        heads=lambda head: head._replace(shift_weighting=head.shift_weighting.detach())
    ),
    "no gradient to the past": Experiment(past=Tensor.detach),
    "Adam as usual": Experiment(training=CUSTOM),
    "no brakes": Experiment(training=CUSTOM | UNCLIPPED | {"settle_at": None}),
    # What a head looks up by content never counts.
    "location alone": Experiment(
        heads=lambda head: head._replace(gate=torch.zeros_like(head.gate))
    ),
}
"""What the lab trains, by name."""


def gradient_squares(model: nn.Module) -> list[float]:
    """Listen to a training: the list gets the square of each gradient's length before clipping."""
    squares: list[float] = []

    def begin(model: nn.Module, inputs: Any) -> None:
        if torch.is_grad_enabled():  # not a validation
            squares.append(0.0)

    def add(parameter: Tensor) -> None:
        assert parameter.grad is not None
        squares[-1] += parameter.grad.double().square().sum().item()

    model.register_forward_pre_hook(begin)
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(add)
    return squares


def record(name: str, seed: int, *, compile: bool = False) -> dict[str, Any]:
    """Train one machine of the lab, and return what there is to tell, in words that JSON has.

    Args:
        name: of the experiment.
        seed: decides its start and every random draw.
        compile: as in ``train``.
    """
    experiment = EXPERIMENTS[name]
    torch.manual_seed(seed)  # for noise in the memory
    machine, history, stopped = experiment.build(seed), History(), None
    squares = gradient_squares(machine)

    def keep(so_far: History) -> None:
        vars(history).update(vars(so_far))

    try:
        experiment.recipe.train(machine, seed=seed, compile=compile, on_validation=keep)
    except FloatingPointError as error:
        stopped = str(error)
    return _plain(
        {
            "experiment": name,
            "seed": seed,
            "recipe": experiment.recipe.describe(),
            "history": asdict(history),
            "gradient": _summary([math.sqrt(square) for square in squares]),
            "stopped": stopped,
            "wrong_bits": _test(machine),
            "inside": _inside(machine),
        }
    )


def _summary(norms: list[float]) -> dict[str, Any]:
    """Sum up the lengths of all gradients that have one, and those of a few updates at a time."""
    norms = [norm for norm in norms if math.isfinite(norm)]
    each = math.ceil(len(norms) / POINTS)
    parts = [norms[i : i + each] for i in range(0, len(norms), each)]
    return {
        "updates": len(norms),
        "median": statistics.median(norms),
        "percentile_95": sorted(norms)[math.ceil(0.95 * len(norms)) - 1],
        "maximum": max(norms),
        "share_clipped": sum(norm > LIVE.training["clip_norm"] for norm in norms) / len(norms),
        "updates_a_point": each,
        "medians": [statistics.median(part) for part in parts],
        "maxima": [max(part) for part in parts],
    }


@torch.no_grad()
def _test(machine: NTM) -> dict[str, float]:
    """Return mean wrong bits at length 20, at 20 with zeros for the tenth vector, and at 50.

    They are NaN where the machine says NaN.
    """
    task, generator = Copy(), torch.Generator().manual_seed(testing_seed(1))
    episode = task.sample(200, generator=generator, length=20)
    episode.inputs[9] = 0
    episode.targets[21 + 9] = 0
    logits = machine(episode.inputs)[0]
    if logits.isnan().any():
        return dict.fromkeys(("20", "20, zeros", "50"), math.nan)
    zeros = wrong_bits(logits, episode)
    return {
        "20": evaluate(machine, task, length=20).mean_wrong,
        "20, zeros": zeros.double().mean().item(),
        "50": evaluate(machine, task, sequences=100, length=50).mean_wrong,
    }


@torch.no_grad()
def _inside(machine: NTM) -> dict[str, Any]:
    """Return what the heads, the read head first, do at each step of a sequence of length 20."""
    generator = torch.Generator().manual_seed(testing_seed(2))
    trace = machine.trace(Copy().sample(1, generator=generator, length=20).inputs)[1]
    names = ("key_strength", "gate", "sharpening")
    inside = {name: getattr(trace, name)[:, 0, :, 0].tolist() for name in names}
    peak, place = trace.weighting[:, 0].max(-1)
    return inside | {"place": place.tolist(), "peak": peak.tolist()}


def _plain(value: Any) -> Any:
    """Round to four digits; what is no finite number becomes None, which is JSON's null."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value


def path_of(name: str, seed: int) -> Path:
    """Return where the record of a run stands."""
    return FOLDER / f"{re.sub('[^a-z]+', '-', name.lower())}_{seed}.json"


@cache
def recorded(name: str) -> list[dict[str, Any]]:
    """Read the records of an experiment, one for each seed."""
    return [json.loads(path_of(name, seed).read_text(encoding="utf-8")) for seed in SEEDS]


def to_do() -> list[tuple[str, int]]:
    """List the runs, by name and seed, that have no record with today's recipe."""
    return [(name, seed) for seed in SEEDS for name in EXPERIMENTS if not _is_done(name, seed)]


def _is_done(name: str, seed: int) -> bool:
    path, wanted = path_of(name, seed), _plain(EXPERIMENTS[name].recipe.describe())
    if not path.exists():
        return False
    recorded = json.loads(path.read_text(encoding="utf-8"))["recipe"]
    usual = {"training": _plain(DEFAULTS)}  # which a file may leave out
    return all(
        usual.get(part, {}) | recorded.get(part, {}) == wanted[part]
        for part in ("network", "training", "input_gain")
    )


def main() -> None:
    """Record what is to be recorded."""
    torch.set_num_threads(1)
    runs = to_do()
    print(f"{len(runs)} runs to do, a quarter of a minute of processor time each")
    for name, seed in runs:
        print(f"{name}, seed {seed}", flush=True)
        told = json.dumps(record(name, seed, compile=True))
        storage.write_text(path_of(name, seed), told + "\n")


if __name__ == "__main__":
    main()
