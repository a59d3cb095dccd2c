"""The Neural Turing Machine: controller, heads and memory in one recurrent module."""

import copy
import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntm_tutorial import addressing
from ntm_tutorial import memory as memory_ops
from ntm_tutorial.checks import check_number, check_positive, whole
from ntm_tutorial.controllers import CONTROLLERS, ControllerState
from ntm_tutorial.heads import HeadParameters, Heads
from ntm_tutorial.sequence import SequenceModel

INITIAL_MEMORY = 0.5
"""Where a memory that is not learned starts: a constant, so that no location is special beforehand.

It is large enough that the read of an empty row stands out. Near zero an empty row is silent, and
the machine has to find another sign that it is still listening; in chapter 19 it finds one.
"""


class NTMState(NamedTuple):
    """All that an NTM carries from one step to the next.

    ``weighting`` holds the read heads, then the write heads: ``H = R + W``.
    """

    memory: Float[Tensor, "B N M"]
    weighting: Float[Tensor, "B H N"]
    reads: Float[Tensor, "B R M"]
    controller: ControllerState


class NTMTrace(NamedTuple):
    """Everything that happened inside an NTM, time first: shape (T, B, ...).

    ``memory`` is as each step left it. The four weightings of a step, in the order of Figure 2 of
    the paper, are ``content``, ``gated``, ``shifted`` and, sharpened, the final ``weighting``; like
    all head parameters they hold the ``R`` read heads, then the ``W`` write heads.
    """

    hidden: Float[Tensor, "T B C"]
    key: Float[Tensor, "T B H M"]
    key_strength: Float[Tensor, "T B H 1"]
    gate: Float[Tensor, "T B H 1"]
    shift_weighting: Float[Tensor, "T B H S"]
    sharpening: Float[Tensor, "T B H 1"]
    erase_vector: Float[Tensor, "T B W M"]
    add_vector: Float[Tensor, "T B W M"]
    content: Float[Tensor, "T B H N"]
    gated: Float[Tensor, "T B H N"]
    shifted: Float[Tensor, "T B H N"]
    weighting: Float[Tensor, "T B H N"]
    reads: Float[Tensor, "T B R M"]
    memory: Float[Tensor, "T B N M"]

    @property
    def read_weighting(self) -> Float[Tensor, "T B R N"]:
        """Where the read heads looked."""
        return self.weighting[:, :, : self.reads.shape[2]]

    @property
    def write_weighting(self) -> Float[Tensor, "T B W N"]:
        """Where the write heads wrote."""
        return self.weighting[:, :, self.reads.shape[2] :]


def memory_step(
    memory: Float[Tensor, "B N M"],
    previous: Float[Tensor, "B H N"],
    head: HeadParameters,
    keep: Callable[[dict[str, Tensor]], None] | None = None,
) -> tuple[Float[Tensor, "B N M"], Float[Tensor, "B H N"], Float[Tensor, "B R M"]]:
    """Move all heads (Eqs. 5-9), read (Eq. 2), erase and add (Eqs. 3, 4).

    Takes the last step's memory and weightings; returns the new ones, and what was read. Reading
    before writing is our choice; the paper leaves the order open. ``keep`` is called with all that
    happened, for a trace.
    """
    # Address, Eqs. 5 to 9
    content = addressing.content_weighting(memory, head.key, head.key_strength)
    gated = addressing.interpolate(content, previous, head.gate)
    shifted = addressing.shift(gated, head.shift_weighting)
    weighting = addressing.sharpen(shifted, head.sharpening)
    # Read, then write, Eqs. 2 to 4
    read_heads = weighting.shape[1] - head.erase_vector.shape[1]
    reading, writing = weighting[:, :read_heads], weighting[:, read_heads:]
    reads = memory_ops.read(memory, reading)
    erased = memory_ops.erase(memory, writing, head.erase_vector)
    memory = memory_ops.add(erased, writing, head.add_vector)
    if keep is not None:
        stages = {"content": content, "gated": gated, "shifted": shifted, "weighting": weighting}
        keep({**head._asdict(), **stages, "reads": reads, "memory": memory})
    return memory, weighting, reads


class NTM(SequenceModel):
    """A Neural Turing Machine with any number of read and write heads.

    One step: the controller sees the input and the last reads; its output sets every head's
    parameters; ``memory_step`` moves the heads, reads and writes; the output is a linear map of the
    controller's output and the new reads.

    Call it like ``torch.nn.LSTM``: ``logits, state = model(inputs)``, time first.

    A machine runs the plain equations, unless something puts another ``memory_step`` into their
    place, as ``speed.fast(model)`` does, which computes the same in less time.

    Args:
        input_size: channels of the input, ``I``.
        output_size: channels of the output, ``O``.
        controller: ``"feedforward"`` or ``"lstm"``.
        controller_size: units per controller layer.
        controller_layers: number of controller layers.
        read_heads: number of read heads, ``R``.
        write_heads: number of write heads, ``W``.
        memory_locations: number of memory rows, ``N``.
        memory_width: length of a memory row, ``M``.
        shift_range: heads can move by ``-shift_range, ..., shift_range`` in one step.
        learned_memory: learn the first memory too: start not with a blank tape but with a table,
            of rows that differ, in which the heads look up by content.
        memory_periods: how smooth these rows are: each column is a wave with at most so many
            periods; at 0, the rows are independent.

    Raises:
        ValueError: if a size is not positive, the shifts outnumber the locations, the controller is
            unknown, or there are periods without a learned memory.
    """

    memory_step: Callable[..., tuple[Tensor, Tensor, Tensor]] = staticmethod(memory_step)

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        controller: str = "feedforward",
        controller_size: int = 100,
        controller_layers: int = 1,
        read_heads: int = 1,
        write_heads: int = 1,
        memory_locations: int = 128,
        memory_width: int = 20,
        shift_range: int = 1,
        learned_memory: bool = False,
        memory_periods: float = 0.0,
    ) -> None:
        super().__init__()
        given = dict(locals())
        del given["self"], given["__class__"]
        self.settings = _checked(given)
        sizes = SimpleNamespace(**self.settings)
        self.input_size, self.output_size = sizes.input_size, sizes.output_size
        self.read_heads, self.write_heads = sizes.read_heads, sizes.write_heads
        self.memory_shape = (sizes.memory_locations, sizes.memory_width)
        reads_size = sizes.read_heads * sizes.memory_width
        self.controller = CONTROLLERS[controller](
            sizes.input_size + reads_size, sizes.controller_size, sizes.controller_layers
        )
        self.heads = Heads(
            sizes.controller_size,
            sizes.memory_width,
            read_heads=sizes.read_heads,
            write_heads=sizes.write_heads,
            shift_range=sizes.shift_range,
        )
        self.output = nn.Linear(sizes.controller_size + reads_size, sizes.output_size)
        self.initial_reads = nn.Parameter(torch.zeros(sizes.read_heads, sizes.memory_width))
        self.initial_weighting_logits = nn.Parameter(
            torch.zeros(sizes.read_heads + sizes.write_heads, sizes.memory_locations)
        )
        self.initial_memory: nn.Parameter | None = None
        if learned_memory:
            self.initial_memory = nn.Parameter(torch.zeros(self.memory_shape))
        self._start()

    def _start(self) -> None:
        """Draw the start from which nearly every seed learns.

        PyTorch's own start for a linear layer is too small for inputs that are sparse bits, and
        a head that starts spread over all locations never learns to step from one to the next.
        """
        if self.initial_memory is not None:
            rows = _first_rows(*self.memory_shape, float(self.settings["memory_periods"]))
            self.initial_memory.data.copy_(rows)
            self.heads.look_up()
        self.controller.reset_parameters()
        # About half of each head's weighting on location 0, the other half spread over the rest.
        nn.init.constant_(self.initial_weighting_logits[:, 0], math.log(self.memory_shape[0]))

    def scale_input(self, channel: int | slice, gain: float) -> None:
        """Start the weights of an input channel into the controller so many times larger."""
        self.controller.scale_input(channel, gain)

    def initial_state(self, batch_size: int, memory_locations: int | None = None) -> NTMState:
        """Return the start: constant or learned memory; learned weightings, reads and controller.

        Args:
            batch_size: sequences to run at once.
            memory_locations: use only the first so many of the memory's locations; left out, all.

        Raises:
            ValueError: if a number is not positive, there are not so many locations, or they are
                fewer than a shift reaches.
        """
        size = whole("batch_size", batch_size)
        most, width = self.memory_shape
        locations = most
        if memory_locations is not None:
            reach = 2 * self.settings["shift_range"] + 1
            locations = whole("memory_locations", memory_locations, reach, most)
        weighting = torch.softmax(self.initial_weighting_logits[:, :locations], dim=-1)
        if self.initial_memory is None:
            columns = weighting.new_full((size, width, locations), INITIAL_MEMORY)
        else:
            columns = self.initial_memory[:locations].T.repeat(size, 1, 1)
        return NTMState(
            memory=columns.transpose(1, 2),  # as a step leaves it: a column in one piece
            weighting=weighting.expand(size, -1, -1),
            reads=self.initial_reads.expand(size, -1, -1),
            controller=self.controller.initial_state(size),
        )

    def _run(self, inputs: Tensor, state: NTMState) -> tuple[Tensor, NTMState]:
        features, state = self.advance_all(inputs, state)
        return self.output(features), state

    def advance(
        self, x: Float[Tensor, "B I"], state: NTMState
    ) -> tuple[Float[Tensor, "B F"], NTMState]:
        """Compute one step up to the output layer, which can then take all steps at once."""
        seen = torch.cat([x, state.reads.flatten(1)], dim=-1)
        hidden, controller_state = self.controller(seen, state.controller)
        memory, weighting, reads = self._move(state, self.heads(hidden))
        feature = torch.cat([hidden, reads.flatten(1)], dim=-1)
        return feature, NTMState(memory, weighting, reads, controller_state)

    def _move(self, state: NTMState, head: HeadParameters) -> tuple[Tensor, Tensor, Tensor]:
        """Take the memory step, in the memory's own precision even where autocast lowers it."""
        if not torch.is_autocast_enabled(kind := state.memory.device.type):
            return self.memory_step(state.memory, state.weighting, head)
        with torch.autocast(kind, enabled=False):
            head = HeadParameters(*(value.to(state.memory.dtype) for value in head))
            return self.memory_step(state.memory, state.weighting, head)

    def advance_all(
        self, inputs: Float[Tensor, "T B I"], state: NTMState
    ) -> tuple[Float[Tensor, "T B F"], NTMState]:
        """Advance through several steps."""
        features = []
        for x in inputs.unbind():
            feature, state = self.advance(x, state)
            features.append(feature)
        return torch.stack(features), state

    def trace(self, inputs: Float[Tensor, "T B I"]) -> tuple[Float[Tensor, "T B O"], NTMTrace]:
        """Run a whole sequence by the plain equations, and return all that happened on the way.

        Raises:
            ValueError: if the inputs do not have ``input_size`` channels.
            NotImplementedError: if a subclass advances without its ``memory_step``.
        """
        start, notes = self._checked(inputs, None), list[dict[str, Tensor]]()
        watched = copy.copy(self)  # the same weights
        watched.memory_step = partial(memory_step, keep=notes.append)
        features, _ = watched.advance_all(inputs, start)
        if len(notes) != len(inputs):
            raise NotImplementedError("trace: it needs an advance() that calls memory_step once")
        stages = {name: torch.stack([note[name] for note in notes]) for name in notes[0]}
        stages["hidden"] = features[..., : self.settings["controller_size"]]
        return self.output(features), NTMTrace(**stages)

    def _shapes(self, batch_size: int, state: Any) -> NTMState:
        most, width = self.memory_shape
        heads = self.read_heads + self.write_heads
        given: Any = getattr(state, "memory", None)
        known = isinstance(given, Tensor) and given.dim() == 3
        locations = min(given.shape[1], most) if known else most
        shapes: tuple[Any, ...] = (
            torch.Size((batch_size, locations, width)),
            torch.Size((batch_size, heads, locations)),
            torch.Size((batch_size, self.read_heads, width)),
            tuple((h.shape, c.shape) for h, c in self.controller.initial_state(batch_size)),
        )
        return NTMState(*shapes)


def _first_rows(locations: int, width: int, periods: float) -> Float[Tensor, "N M"]:
    """Draw independent rows or, with ``periods``, rows that change little by little.

    Either way a cell's mean is 0 and its standard deviation 1.
    """
    if not periods:
        return torch.randn(width, locations).T.contiguous()
    frequency, phase = periods * torch.rand(width, 1), torch.rand(width, 1)
    turns = frequency * torch.linspace(0, 1, locations) + phase
    return math.sqrt(2) * torch.cos(2 * math.pi * turns).T.contiguous()


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Refuse settings out of range; return them with sizes as Python's own whole numbers."""
    others = ("controller", "shift_range", "learned_memory", "memory_periods")
    sizes = check_positive(**{name: size for name, size in settings.items() if name not in others})
    if str(settings["controller"]) not in CONTROLLERS:
        raise ValueError(
            f"controller: expected one of {sorted(CONTROLLERS)}, got {settings['controller']!r}"
        )
    # So that the shifts -r..r fit the memory's locations
    reach = whole("shift_range", settings["shift_range"], 0, (sizes["memory_locations"] - 1) // 2)
    if not isinstance(settings["learned_memory"], bool):
        raise ValueError(f"learned_memory: expected a bool, got {settings['learned_memory']!r}")
    periods = check_number("memory_periods", settings["memory_periods"], 0, 10**6)
    if settings["memory_periods"] and not settings["learned_memory"]:
        raise ValueError(
            f"memory_periods: only a learned_memory has any, got {settings['memory_periods']!r}"
        )
    return settings | sizes | {"shift_range": reach, "memory_periods": periods}
