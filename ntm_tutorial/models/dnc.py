"""The Differentiable Neural Computer of Graves et al. (2016): an allocator instead of a shift.

It writes with the NTM's erase and add. What is new is where: a write goes to a location that is
*free*, and reading follows the order in which locations were *written*. So the heads need no
shifts, and no location has a place of its own: any number of locations will do.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from ntm_tutorial import addressing
from ntm_tutorial import memory as memory_ops
from ntm_tutorial.checks import (
    check_kind,
    check_positive,
    check_together,
    telling,
    whole,
)
from ntm_tutorial.controllers import CONTROLLERS, ControllerState
from ntm_tutorial.sequence import SequenceModel

FAINT = 1e-6
"""What an empty memory holds, and the least usage: at 0, gradients would be infinite."""

CLOSED = 4.0
"""How far below zero the free gates start."""


class DNCState(NamedTuple):
    """All that a DNC carries from one step to the next."""

    memory: Float[Tensor, "B N M"]
    usage: Float[Tensor, "B N"]
    link: Float[Tensor, "B N N"]
    precedence: Float[Tensor, "B 1 N"]
    write_weighting: Float[Tensor, "B 1 N"]
    read_weighting: Float[Tensor, "B R N"]
    reads: Float[Tensor, "B R M"]
    controller: ControllerState


class Instructions(NamedTuple):
    """What the controller tells the memory at one step; the last three only where repaired."""

    read_key: Float[Tensor, "B R M"]
    read_strength: Float[Tensor, "B R 1"]
    read_mode: Float[Tensor, "B R 3"]
    free_gate: Float[Tensor, "B R 1"]
    write_key: Float[Tensor, "B 1 M"]
    write_strength: Float[Tensor, "B 1 1"]
    allocation_gate: Float[Tensor, "B 1 1"]
    write_gate: Float[Tensor, "B 1 1"]
    erase_vector: Float[Tensor, "B 1 M"]
    add_vector: Float[Tensor, "B 1 M"]
    read_mask: Float[Tensor, "B R M"] | None = None
    write_mask: Float[Tensor, "B 1 M"] | None = None
    sharpening: Float[Tensor, "B R 2"] | None = None


class DNCTrace(NamedTuple):
    """What happened inside a DNC, time first: shape (T, B, ...).

    ``usage`` is what the allocation saw; all else is as each step left it. ``backward``,
    ``content`` and ``forward`` are what ``read_mode`` chose from.
    """

    hidden: Float[Tensor, "T B C"]
    read_mode: Float[Tensor, "T B R 3"]
    free_gate: Float[Tensor, "T B R 1"]
    allocation_gate: Float[Tensor, "T B 1 1"]
    write_gate: Float[Tensor, "T B 1 1"]
    erase_vector: Float[Tensor, "T B 1 M"]
    add_vector: Float[Tensor, "T B 1 M"]
    usage: Float[Tensor, "T B N"]
    allocation: Float[Tensor, "T B 1 N"]
    write_weighting: Float[Tensor, "T B 1 N"]
    link: Float[Tensor, "T B N N"]
    backward: Float[Tensor, "T B R N"]
    content: Float[Tensor, "T B R N"]
    forward: Float[Tensor, "T B R N"]
    read_weighting: Float[Tensor, "T B R N"]
    reads: Float[Tensor, "T B R M"]
    memory: Float[Tensor, "T B N M"]


@telling
def use(
    usage: Float[Tensor, "B N"],
    write_weighting: Float[Tensor, "B 1 N"],
    read_weighting: Float[Tensor, "B R N"],
    free_gate: Float[Tensor, "B R 1"],
) -> Float[Tensor, "B N"]:
    r"""Count what was written as used, and what was read as free where its gate says so.

    .. math:: u_t = (u_{t-1} + w^w_{t-1} - u_{t-1} w^w_{t-1}) \prod_r (1 - f_r w^r_{t-1})

    Written :math:`1 - (1 - u)(1 - w)`, the first factor is an erase of what is free; the second is
    Eq. 3 itself: the free gates are erase vectors of usage.
    """
    written = write_weighting[:, 0]
    used = torch.addcmul(usage + written, usage, written, value=-1)
    return memory_ops.erase(used.unsqueeze(-1), read_weighting, free_gate).squeeze(-1)


@telling
def allocate(usage: Float[Tensor, "B N"]) -> Float[Tensor, "B 1 N"]:
    r"""Weight what is free, the freest location first; of equally free ones, the first.

    .. math:: a(\phi_j) = (1 - u(\phi_j)) \prod_{i < j} u(\phi_i)

    where :math:`\phi` lists the locations by rising usage. The sum is at most 1, and near 0 where
    all are used.
    """
    least = (FAINT + (1 - FAINT) * usage).clamp(min=FAINT)
    rising, order = least.sort(dim=-1, stable=True)
    logs = rising.log()
    fullness = torch.exp(logs.cumsum(-1) - logs)  # the product of all before
    weights = torch.zeros_like(usage).scatter(-1, order, (1 - rising) * fullness)
    return weights.unsqueeze(1)


@telling
def link_step(
    link: Float[Tensor, "B N N"],
    precedence: Float[Tensor, "B 1 N"],
    write_weighting: Float[Tensor, "B 1 N"],
) -> tuple[Float[Tensor, "B N N"], Float[Tensor, "B 1 N"]]:
    r"""Note what was written after what; return the new link matrix and precedence.

    .. math::
        L_t(i, j) &= (1 - w_t(i) - w_t(j)) L_{t-1}(i, j) + w_t(i) \, p_{t-1}(j), \quad L_t(i, i) = 0

        p_t &= \Big(1 - \sum_i w_t(i)\Big) p_{t-1} + w_t

    :math:`L(i, j)` is near 1 where :math:`i` was written right after :math:`j`; precedence says
    where the last write was.
    """
    column = write_weighting.transpose(1, 2)
    kept = torch.addcmul(link, link, write_weighting + column, value=-1)
    link = torch.baddbmm(kept, column, precedence)
    link.diagonal(dim1=1, dim2=2).zero_()  # in place, but of a matrix that nobody has seen
    left = 1 - write_weighting.sum(-1, keepdim=True)
    return link, torch.addcmul(write_weighting, left, precedence)


@telling
def look_up(
    memory: Float[Tensor, "B N M"],
    key: Float[Tensor, "B H M"],
    strength: Float[Tensor, "B H 1"],
    mask: Float[Tensor, "B H M"] | None = None,
) -> Float[Tensor, "B H N"]:
    r"""Focus on the rows that resemble the key, in those columns that a mask leaves.

    .. math:: w^c = \text{softmax}_i \big(\beta K[k \circ m, M(i) \circ m]\big)

    These are Eqs. 5 and 6, on key and memory behind each head's mask.

    Raises:
        ValueError: if they do not fit together.
    """
    if mask is None:
        return addressing.content_weighting(memory, key, strength)
    check_together(memory=memory, key=key, strength=strength, mask=mask)
    heads = (part.split(1, dim=1) for part in (mask, mask * key, strength))
    return torch.cat(
        [addressing.content_weighting(memory * m, k, b) for m, k, b in zip(*heads, strict=True)], 1
    )


class DNC(SequenceModel):
    """A Differentiable Neural Computer with one write head and any number of read heads.

    One step: the controller sees the input and the last reads; its output sets the gates, keys and
    modes; the memory is written, linked and read; the output is a linear map of the controller's
    output and the new reads. Unlike our NTM it writes before it reads, as in the paper.

    No weight belongs to a location, so that the memory may be larger at test: ``at``.

    Args:
        input_size: channels of the input, ``I``.
        output_size: channels of the output, ``O``.
        controller: ``"feedforward"`` or ``"lstm"``.
        controller_size: units per controller layer.
        controller_layers: number of controller layers.
        read_heads: number of read heads, ``R``.
        memory_locations: number of memory rows, ``N``.
        memory_width: length of a memory row, ``M``.
        masked: look up by those columns alone that a mask leaves.
        deallocate: what a free gate frees is erased from memory too.
        sharp: sharpen what the link matrix gives, Eq. 9, so that a chain of steps does not blur.

    The last three are the repairs of Csordás and Schmidhuber (2019).

    Raises:
        ValueError: if a size is not positive or the controller is unknown.
    """

    @telling
    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        controller: str = "lstm",
        controller_size: int = 100,
        controller_layers: int = 1,
        read_heads: int = 1,
        memory_locations: int = 128,
        memory_width: int = 20,
        masked: bool = False,
        deallocate: bool = False,
        sharp: bool = False,
    ) -> None:
        super().__init__()
        sizes = check_positive(
            input_size=input_size, output_size=output_size, controller_size=controller_size,
            controller_layers=controller_layers, read_heads=read_heads,
            memory_locations=memory_locations, memory_width=memory_width,
        )  # fmt: skip
        repairs = {"masked": masked, "deallocate": deallocate, "sharp": sharp}
        for name, value in repairs.items():
            check_kind(name, value, bool)
        if controller not in CONTROLLERS:
            raise ValueError(
                f"controller: expected one of {sorted(CONTROLLERS)}, got {controller!r}"
            )
        self.settings: dict[str, Any] = {**sizes, "controller": controller, **repairs}
        self.input_size, self.output_size = sizes["input_size"], sizes["output_size"]
        self.memory_shape = (sizes["memory_locations"], sizes["memory_width"])
        size, reads_size = sizes["controller_size"], sizes["read_heads"] * sizes["memory_width"]
        self.controller = CONTROLLERS[controller](
            self.input_size + reads_size, size, sizes["controller_layers"]
        )
        self.layout = _layout(self.settings)
        self.cuts = [heads * numbers for heads, numbers, _ in self.layout.values()]
        self.instruct = nn.Linear(size, sum(self.cuts))
        self.output = nn.Linear(size + reads_size, self.output_size)
        self._start()

    def _start(self) -> None:
        """Start with free gates nearly closed.

        While a machine listens its read heads look everywhere, and with open gates they would free,
        or even erase, a little of everything that was written.
        """
        self.controller.reset_parameters()
        parts = self.instruct.bias.data.split(self.cuts)
        parts[list(self.layout).index("free_gate")].sub_(CLOSED)

    def at(self, *, memory_locations: int) -> "DNC":
        """Return this machine, weights shared, with another number of memory locations.

        Raises:
            ValueError: if it is not positive.
        """
        other = copy.copy(self)
        locations = whole("memory_locations", memory_locations)
        other.settings = {**self.settings, "memory_locations": locations}
        other.memory_shape = (locations, self.memory_shape[1])
        return other

    def scale_input(self, channel: int | slice, gain: float) -> None:
        """Start the weights of an input channel into the controller so many times larger."""
        self.controller.scale_input(channel, gain)

    def initial_state(self, batch_size: int, memory_locations: int | None = None) -> DNCState:
        """Return the start: a memory that is empty and free, and the controller's learned state.

        Args:
            batch_size: sequences to run at once.
            memory_locations: how many locations, any number; left out, those of the settings.

        Raises:
            ValueError: if a number is not positive.
        """
        if memory_locations is not None:
            return self.at(memory_locations=memory_locations).initial_state(batch_size)
        size = whole("batch_size", batch_size)
        shapes: Any = self._shapes(size, None)
        zeros = map(self.output.weight.new_zeros, shapes[:-1])
        state = DNCState._make([*zeros, self.controller.initial_state(size)])
        return state._replace(memory=state.memory + FAINT)

    def _run(self, inputs: Tensor, state: DNCState) -> tuple[Tensor, DNCState]:
        features, state = self.advance_all(inputs, state)
        return self.output(features), state

    def advance_all(
        self, inputs: Float[Tensor, "T B I"], state: DNCState
    ) -> tuple[Float[Tensor, "T B F"], DNCState]:
        """Compute several steps up to the output layer, which can then take all of them at once."""
        features = []
        for x in inputs.unbind():
            feature, state, _ = self._advance(x, state)
            features.append(feature)
        return torch.stack(features), state

    def trace(self, inputs: Float[Tensor, "T B I"]) -> tuple[Float[Tensor, "T B O"], DNCTrace]:
        """Run a whole sequence, and return all that happened on the way.

        Raises:
            ValueError: if the inputs do not have ``input_size`` channels.
        """
        state, features, notes = self._checked(inputs, None), [], []
        for x in inputs.unbind():
            feature, state, told = self._advance(x, state)
            features.append(feature)
            notes.append({**state._asdict(), **told})
        parts = (torch.stack([note[name] for note in notes]) for name in DNCTrace._fields)
        return self.output(torch.stack(features)), DNCTrace(*parts)

    def _advance(self, x: Tensor, state: DNCState) -> tuple[Tensor, DNCState, dict[str, Any]]:
        """Compute one step up to the output layer; return besides what only a trace keeps."""
        seen = torch.cat([x, state.reads.flatten(1)], dim=-1)
        hidden, controller = self.controller(seen, state.controller)
        told = self._instructions(hidden)
        memory, looked = state.memory, state.read_weighting
        # Free what was read and count what was written; find a place; write, Eqs. 3 and 4
        usage = use(state.usage, state.write_weighting, looked, told.free_gate)
        if self.settings["deallocate"]:
            memory = memory_ops.erase(memory, looked, told.free_gate.expand_as(told.read_key))
        allocation = allocate(usage)
        found = look_up(memory, told.write_key, told.write_strength, told.write_mask)
        where = addressing.interpolate(allocation, found, told.allocation_gate)
        writing = told.write_gate * where
        memory = memory_ops.erase(memory, writing, told.erase_vector)
        memory = memory_ops.add(memory, writing, told.add_vector)
        link, precedence = link_step(state.link, state.precedence, writing)
        # Go to what was written before or after what was read last, or look up; read, Eq. 2
        back, on = torch.bmm(looked, link), torch.bmm(looked, link.transpose(1, 2))
        if told.sharpening is not None:
            back, on = (
                addressing.sharpen(blurred + FAINT, power)
                for blurred, power in zip((back, on), told.sharpening.split(1, -1), strict=True)
            )
        content = look_up(memory, told.read_key, told.read_strength, told.read_mask)
        ways = torch.stack([back, content, on], dim=2)
        reading = (told.read_mode.unsqueeze(-1) * ways).sum(2)
        reads = memory_ops.read(memory, reading)
        feature = torch.cat([hidden, reads.flatten(1)], dim=-1)
        state = DNCState(memory, usage, link, precedence, writing, reading, reads, controller)
        stages = {"allocation": allocation, "backward": back, "content": content, "forward": on}
        return feature, state, {"hidden": hidden, **told._asdict(), **stages}

    def _instructions(self, hidden: Float[Tensor, "B C"]) -> Instructions:
        """Map the controller's output to gates (0, 1), strengths > 1, modes, keys and vectors."""
        parts = zip(self.layout.items(), self.instruct(hidden).split(self.cuts, -1), strict=True)
        return Instructions(**{
            name: _SQUASH[range_](part.unflatten(-1, (heads, numbers)))
            for (name, (heads, numbers, range_)), part in parts
        })  # fmt: skip

    def _shapes(self, batch_size: int, given: Any) -> DNCState:
        memory: Any = getattr(given, "memory", None)
        known = isinstance(memory, Tensor) and memory.dim() == 3
        heads, (most, width) = self.settings["read_heads"], self.memory_shape
        locations = memory.shape[1] if known else most
        shapes: tuple[Any, ...] = (
            torch.Size((batch_size, locations, width)),
            torch.Size((batch_size, locations)),
            torch.Size((batch_size, locations, locations)),
            torch.Size((batch_size, 1, locations)),
            torch.Size((batch_size, 1, locations)),
            torch.Size((batch_size, heads, locations)),
            torch.Size((batch_size, heads, width)),
            tuple((h.shape, c.shape) for h, c in self.controller.initial_state(batch_size)),
        )
        return DNCState(*shapes)


def _layout(settings: dict[str, Any]) -> dict[str, tuple[int, int, str]]:
    """Lay out all instructions: for how many heads, how many numbers each gets, and their range."""
    heads, width = settings["read_heads"], settings["memory_width"]
    masks = {"read_mask": (heads, width, "gate"), "write_mask": (1, width, "gate")}
    return {
        "read_key": (heads, width, "any"), "write_key": (1, width, "any"),
        "add_vector": (1, width, "any"), "read_mode": (heads, 3, "mode"),
        "free_gate": (heads, 1, "gate"), "allocation_gate": (1, 1, "gate"),
        "write_gate": (1, 1, "gate"), "erase_vector": (1, width, "gate"),
        **(masks if settings["masked"] else {}),
        "read_strength": (heads, 1, "above one"), "write_strength": (1, 1, "above one"),
        **({"sharpening": (heads, 2, "above one")} if settings["sharp"] else {}),
    }  # fmt: skip


_SQUASH: dict[str, Callable[[Tensor], Tensor]] = {
    "any": lambda values: values,
    "mode": lambda values: torch.softmax(values, dim=-1),
    "gate": torch.sigmoid,
    "above one": lambda values: 1 + softplus(values),
}
