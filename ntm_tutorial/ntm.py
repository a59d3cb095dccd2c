"""The Neural Turing Machine: controller, heads and memory in one recurrent module."""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntm_tutorial import addressing
from ntm_tutorial import memory as memory_ops
from ntm_tutorial.checks import check_inputs, check_positive
from ntm_tutorial.controllers import CONTROLLERS, ControllerState
from ntm_tutorial.heads import Heads
from ntm_tutorial.speed.fused import memory_step

INITIAL_MEMORY = 0.5
"""Where a memory that is not learned starts: a constant, so that no location is special beforehand.

It is large enough that the read of an empty row says so. Near zero, a feed-forward controller takes
an input vector of zeros for the blank input of the answer phase, and all that follows is wrong.
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


class NTM(nn.Module):
    """A Neural Turing Machine with any number of read and write heads.

    One step: the controller sees the input and the last reads; its output sets every head's
    parameters; all heads move by Eqs. 5-9; the read heads read (Eq. 2); the write heads erase and
    add (Eqs. 3, 4); the output is a linear map of the controller's output and the new reads.
    Reading before writing is our choice; the paper leaves the order open.

    Call it like ``torch.nn.LSTM``: ``logits, state = model(inputs)``, time first.

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
        learned_memory: learn the first memory too, from random rows that differ, and start the
            heads as look-ups by content: for tasks that need a table more than a tape.
        memory_periods: where the learned memory starts smooth: each of its columns is a wave with
            at most so many periods. Neighbouring rows are then alike, and a look-up can be moved
            little by little, as the dial of a scale. 0 for independent rows.

    Raises:
        ValueError: if a size is not positive, the shifts outnumber the locations, the controller is
            unknown, or there are periods without a learned memory.
    """

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
        self.settings = {
            name: value for name, value in locals().items() if name not in ("self", "__class__")
        }
        _check(self.settings)
        self.input_size, self.output_size = input_size, output_size
        self.read_heads, self.write_heads = read_heads, write_heads
        self.memory_shape = (memory_locations, memory_width)
        reads_size = read_heads * memory_width
        self.controller = CONTROLLERS[controller](
            input_size + reads_size, controller_size, controller_layers
        )
        self.heads = Heads(
            controller_size,
            memory_width,
            read_heads=read_heads,
            write_heads=write_heads,
            shift_range=shift_range,
        )
        self.output = nn.Linear(controller_size + reads_size, output_size)
        self.initial_reads = nn.Parameter(torch.zeros(read_heads, memory_width))
        self.initial_weighting_logits = nn.Parameter(
            torch.zeros(read_heads + write_heads, memory_locations)
        )
        self.initial_memory: nn.Parameter | None = None
        if learned_memory:
            self.initial_memory = nn.Parameter(_first_rows(self.memory_shape, memory_periods))
        self.reset_parameters()
        if learned_memory:
            self.heads.start_with_look_ups()

    def reset_parameters(self) -> None:
        """Draw the start from which nearly every seed learns.

        PyTorch's own start for a linear layer is too small for inputs that are sparse bits, and
        a head that starts spread over all locations never learns to step from one to the next.
        """
        self.controller.reset_parameters()
        nn.init.zeros_(self.initial_reads)
        nn.init.zeros_(self.initial_weighting_logits)
        # About half of each head's weighting on location 0, the other half spread over the rest.
        nn.init.constant_(self.initial_weighting_logits[:, 0], math.log(self.memory_shape[0]))

    def initial_state(self, batch_size: int, memory_locations: int | None = None) -> NTMState:
        """Return the start: constant or learned memory; learned weightings, reads and controller.

        Args:
            batch_size: sequences to run at once.
            memory_locations: use only the first so many of the memory's locations; left out, all.

        Raises:
            ValueError: if a number is not positive, or there are not so many locations.
        """
        most, width = self.memory_shape
        locations = most if memory_locations is None else memory_locations
        check_positive(batch_size=batch_size, memory_locations=locations)
        if locations > most:
            raise ValueError(f"memory_locations: expected at most {most}, got {locations}")
        weighting = torch.softmax(self.initial_weighting_logits[:, :locations], dim=-1)
        if self.initial_memory is None:
            cells = weighting.new_full((batch_size, width, locations), INITIAL_MEMORY)
        else:
            cells = self.initial_memory[:locations].T.expand(batch_size, -1, -1).contiguous()
        return NTMState(
            memory=cells.transpose(1, 2),  # laid out as fused.py likes it
            weighting=weighting.expand(batch_size, -1, -1),
            reads=self.initial_reads.expand(batch_size, -1, -1),
            controller=self.controller.initial_state(batch_size),
        )

    def forward(
        self, inputs: Float[Tensor, "T B I"], state: NTMState | None = None
    ) -> tuple[Float[Tensor, "T B O"], NTMState]:
        """Run a whole sequence, from the learned start unless a state is given.

        Raises:
            ValueError: if the inputs do not have ``input_size`` channels, or the state is that of
                another model or batch.
        """
        check_inputs("inputs", inputs, ("T", "B", self.input_size))
        if state is None:
            state = self.initial_state(inputs.shape[1])
        self._check_state(state, inputs.shape[1])
        features, state = self.advance_all(inputs, state)
        return self.output(features), state

    def step(
        self, x: Float[Tensor, "B I"], state: NTMState
    ) -> tuple[Float[Tensor, "B O"], NTMState]:
        """Run one step.

        Raises:
            ValueError: if the input does not have ``input_size`` channels, or the state is that of
                another model or batch.
        """
        check_inputs("x", x, ("B", self.input_size))
        self._check_state(state, x.shape[0])
        feature, state = self.advance(x, state)
        return self.output(feature), state

    def advance(
        self, x: Float[Tensor, "B I"], state: NTMState
    ) -> tuple[Float[Tensor, "B F"], NTMState]:
        """Compute one step up to the output layer, which can then take all steps at once."""
        hidden, controller_state = self._control(x, state)
        head = self.heads(hidden)
        memory, weighting, reads = memory_step(state.memory, state.weighting, head)
        feature = torch.cat([hidden, reads.flatten(1)], dim=-1)
        return feature, NTMState(memory, weighting, reads, controller_state)

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
        """Run a whole sequence, equation by equation, and return all that happened on the way.

        The numbers are those of ``forward``, which computes the same steps faster.

        Raises:
            ValueError: if the inputs do not have ``input_size`` channels.
        """
        check_inputs("inputs", inputs, ("T", "B", self.input_size))
        state = self.initial_state(inputs.shape[1])
        logits, records = [], []
        for x in inputs:
            logit, state, record = self._traced_step(x, state)
            logits.append(logit)
            records.append(record)
        return torch.stack(logits), NTMTrace(*map(torch.stack, zip(*records, strict=True)))

    def _traced_step(self, x: Tensor, state: NTMState) -> tuple[Tensor, NTMState, NTMTrace]:
        hidden, controller_state = self._control(x, state)
        head = self.heads(hidden)
        # Address, Eqs. 5 to 9
        content = addressing.content_weighting(state.memory, head.key, head.key_strength)
        gated = addressing.interpolate(content, state.weighting, head.gate)
        shifted = addressing.shift(gated, head.shift_weighting)
        weighting = addressing.sharpen(shifted, head.sharpening)
        # Read, then write, Eqs. 2 to 4
        reads = memory_ops.read(state.memory, weighting[:, : self.read_heads])
        writing = weighting[:, self.read_heads :]
        erased = memory_ops.erase(state.memory, writing, head.erase_vector)
        memory = memory_ops.add(erased, writing, head.add_vector)
        logits = self.output(torch.cat([hidden, reads.flatten(1)], dim=-1))
        record = NTMTrace(
            hidden=hidden,
            **head._asdict(),
            content=content,
            gated=gated,
            shifted=shifted,
            weighting=weighting,
            reads=reads,
            memory=memory,
        )
        return logits, NTMState(memory, weighting, reads, controller_state), record

    def _control(self, x: Tensor, state: NTMState) -> tuple[Tensor, ControllerState]:
        """Show the controller the input and the last reads."""
        return self.controller(torch.cat([x, state.reads.flatten(1)], dim=-1), state.controller)

    def _check_state(self, state: NTMState, batch_size: int) -> None:
        most, width = self.memory_shape
        given = tuple(state.memory.shape)
        if given[::2] != (batch_size, width) or given[1] > most:
            raise ValueError(
                f"state: expected a memory of shape {(batch_size, most, width)} for this model and "
                f"batch, got {given}"
            )


def _first_rows(shape: tuple[int, int], periods: float) -> Float[Tensor, "N M"]:
    """Draw where a learned memory starts: independent rows, or rows that change little by little.

    Either way a cell's mean is 0 and its standard deviation 1.
    """
    locations, width = shape
    if not periods:
        return torch.randn(width, locations).T
    frequency, phase = periods * torch.rand(width, 1), torch.rand(width, 1)
    turns = frequency * torch.linspace(0, 1, locations) + phase
    return math.sqrt(2) * torch.cos(2 * math.pi * turns).T


def _check(settings: dict[str, Any]) -> None:
    others = ("controller", "shift_range", "learned_memory", "memory_periods")
    check_positive(**{name: value for name, value in settings.items() if name not in others})
    shift_range, locations = settings["shift_range"], settings["memory_locations"]
    if settings["controller"] not in CONTROLLERS:
        raise ValueError(
            f"controller: expected one of {sorted(CONTROLLERS)}, got {settings['controller']!r}"
        )
    if not isinstance(shift_range, int) or not 0 <= shift_range <= (locations - 1) // 2:
        raise ValueError(
            f"shift_range: expected 0 to {(locations - 1) // 2}, so that the shifts -r..r fit "
            f"memory_locations = {locations}, got {shift_range!r}"
        )
    periods = settings["memory_periods"]
    if not isinstance(periods, int | float) or not 0 <= periods < math.inf:
        raise ValueError(f"memory_periods: expected a number of at least 0, got {periods!r}")
    if periods and not settings["learned_memory"]:
        raise ValueError(f"memory_periods: only a learned_memory has any, got {periods!r}")
