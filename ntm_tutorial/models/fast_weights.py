"""Fast weights: a memory written by its layer as it runs, and what became of the NTM's erase.

Each head of a layer has a memory M of N rows and M columns, a key w and a query of N numbers and
unit length, and an add vector a. One step writes, then reads:

======================  ===================================================  ==================
rule                    write                                                also called
======================  ===================================================  ==================
``"add"``               M = M + w a'                                         linear attention
``"decay"``             M = alpha M + w a'                                   as in Mamba-2
``"delta"``             M = M + beta w (a - r)', where r = M' w              DeltaNet
``"gated-delta"``       M = alpha M, then as ``"delta"``                     Gated DeltaNet
======================  ===================================================  ==================

Nothing that is written or read decides where: keys, queries and gates come from the layer below.
So all steps of a sequence can be computed at once, by ``write_all``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize, silu

from ntm_tutorial.checks import check_positive, check_together, telling
from ntm_tutorial.sequence import SequenceModel

RULES = {
    "add": (False, False),
    "decay": (True, False),
    "delta": (False, True),
    "gated-delta": (True, True),
}
"""For each rule, whether it has an alpha (all is forgotten alike) and a beta (w is erased)."""

KEPT = 4.0
"""The bias of alpha at the start, which lets a memory fade by a half in some 40 steps."""


class FastWeightsState(NamedTuple):
    """All that is carried from one step to the next, for each of ``L`` layers.

    ``past`` holds what the convolution has heard in the last ``K`` steps.
    """

    memory: Float[Tensor, "B L H N M"]
    past: Float[Tensor, "B L K C"]


class Writes(NamedTuple):
    """What a layer does to its memories, at all steps; ``alpha`` and ``beta`` where it has them."""

    key: Float[Tensor, "B H T N"]
    query: Float[Tensor, "B H T N"]
    add: Float[Tensor, "B H T M"]
    alpha: Float[Tensor, "B H T 1"] | None
    beta: Float[Tensor, "B H T 1"] | None


class FastWeightsTrace(NamedTuple):
    """Everything that happened to the memories, time first; ``memory`` is as each step left it.

    A rule that has no ``alpha`` or ``beta`` has ones there.
    """

    key: Float[Tensor, "T B L H N"]
    query: Float[Tensor, "T B L H N"]
    add: Float[Tensor, "T B L H M"]
    alpha: Float[Tensor, "T B L H 1"]
    beta: Float[Tensor, "T B L H 1"]
    reads: Float[Tensor, "T B L H M"]
    memory: Float[Tensor, "T B L H N M"]


@telling
def write(
    memory: Float[Tensor, "*any N M"],
    key: Float[Tensor, "*any N"],
    add: Float[Tensor, "*any M"],
    *,
    alpha: Float[Tensor, "*any 1"] | None = None,
    beta: Float[Tensor, "*any 1"] | None = None,
) -> Float[Tensor, "*any N M"]:
    """Write once: forget a share of everything, erase what the key reads, add.

    Args:
        memory: before.
        key: where, of unit length; its numbers may be negative.
        add: what is to be read there.
        alpha: the share that is kept of all rows, 0 to 1; left out, all is.
        beta: how far what the key reads gives way to ``add``, 0 to 1; left out, nothing is erased.

    Raises:
        ValueError: if they do not fit together.
    """
    gates = {name: gate for name, gate in (("alpha", alpha), ("beta", beta)) if gate is not None}
    check_together(memory=memory, key=key, add=add, **gates)
    if alpha is not None:
        memory = memory * alpha.unsqueeze(-1)
    if beta is not None:
        add = beta * (add - read(memory, key))
    return memory + key.unsqueeze(-1) * add.unsqueeze(-2)


@telling
def read(
    memory: Float[Tensor, "*any N M"], query: Float[Tensor, "*any N"]
) -> Float[Tensor, "*any M"]:
    """Read once, Eq. 2 with weights of either sign: r = M' w."""
    return (query.unsqueeze(-2) @ memory).squeeze(-2)


@telling
def write_all(
    memory: Float[Tensor, "B H N M"], writes: Writes
) -> tuple[Float[Tensor, "B H T M"], Float[Tensor, "B H N M"]]:
    r"""Write and read at all steps at once; return what was read and the last memory.

    Step :math:`t` adds :math:`w_t u_t'`, of which later steps keep a share, the product of their
    alphas. What was there when it came is the first memory and the :math:`w_s u_s'` before it, so

    .. math:: u_t = \beta_t \Big(a_t - k_{t0} M_0' w_t - \sum_{s<t} k_{ts} (w_t' w_s) u_s\Big),

    where :math:`k_{ts}` is what is kept of step :math:`s` at step :math:`t`. These are linear
    equations for all :math:`u` at once, and triangular. Without beta, :math:`u_t = a_t`.
    """
    key, query, add, alpha, beta = writes
    steps = key.shape[-2]
    past = torch.ones(steps, steps, dtype=torch.bool, device=key.device).tril()
    kept, since = past.to(key.dtype), key.new_ones(1, 1)
    if alpha is not None:
        tiny = torch.finfo(alpha.dtype).tiny
        total = alpha.clamp_min(tiny).log().cumsum(-2)
        kept = (total - total.mT).masked_fill(~past, -torch.inf).exp()
        since = total.exp()
    if beta is not None:
        overlap = beta * kept * (key @ key.mT)  # the solver looks below the diagonal alone
        held = since * (key @ memory)
        add = torch.linalg.solve_triangular(
            overlap, beta * (add - held), upper=False, unitriangular=True
        )
    reads = since * (query @ memory) + kept * (query @ key.mT) @ add
    last = since[..., -1:, :] * memory + (key * kept[..., -1, :].unsqueeze(-1)).mT @ add
    return reads, last


Run = Callable[[Tensor, Writes], tuple[Tensor, Tensor]]
"""What takes a memory and all writes to all reads and the last memory."""


def _write_each(
    memory: Tensor, writes: Writes, keep: Callable[[list[Tensor]], None]
) -> tuple[Tensor, Tensor]:
    """Write and read at one step after another, and keep what happened, time first."""
    memories, reads = [], []
    for step in range(writes.key.shape[-2]):
        key, query, add, alpha, beta = (
            None if part is None else part[..., step, :] for part in writes
        )
        assert key is not None and query is not None and add is not None
        memory = write(memory, key, add, alpha=alpha, beta=beta)
        memories.append(memory)
        reads.append(read(memory, query))
    ones = torch.ones_like(writes.key[..., :1])
    gates = [ones if gate is None else gate for gate in (writes.alpha, writes.beta)]
    read_all = torch.stack(reads, dim=-2)
    by_step = [part.movedim(-2, 0) for part in (*writes[:3], *gates, read_all)]
    keep([*by_step, torch.stack(memories)])
    return read_all, memory


class _Layer(nn.Module):
    """A fast memory behind a short convolution, then two plain layers."""

    def __init__(self, width: int, heads: int, key_width: int, reach: int, rule: str) -> None:
        super().__init__()
        self.heads, self.sizes = heads, [key_width, key_width, width // heads]
        channels = heads * sum(self.sizes)
        forgets, erases = RULES[rule]
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, channels, bias=False)
        self.convolve = nn.Conv1d(channels, channels, reach, groups=channels)
        self.alpha = nn.Linear(width, heads) if forgets else None
        self.beta = nn.Linear(width, heads) if erases else None
        self.output = nn.Linear(width, width, bias=False)
        self.then = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )
        if self.alpha is not None:  # what is written lasts a while
            nn.init.constant_(self.alpha.bias, KEPT)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        memory: Float[Tensor, "B H N M"],
        past: Float[Tensor, "B K C"],
        run: Run,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H N M"], Float[Tensor, "B K C"]]:
        normed = self.norm(x)
        seen = torch.cat([past, self.project(normed)], dim=1)
        mixed = silu(self.convolve(seen.mT)).mT.unflatten(2, (self.heads, -1)).transpose(1, 2)
        key, query, add = mixed.split(self.sizes, dim=-1)
        alpha, beta = (
            None if gate is None else gate(normed).sigmoid().mT.unsqueeze(-1)
            for gate in (self.alpha, self.beta)
        )
        writes = Writes(normalize(key, dim=-1), normalize(query, dim=-1), add, alpha, beta)
        reads, memory = run(memory, writes)
        x = x + self.output(reads.transpose(1, 2).flatten(2))
        return x + self.then(x), memory, seen[:, x.shape[1] :]


class FastWeights(SequenceModel):
    """Layers of fast weights, between a linear map from the input and one to the output.

    Call it like ``torch.nn.LSTM``: ``logits, state = model(inputs)``, time first. A whole sequence
    runs in parallel, through ``write_all``; ``trace`` writes one step after another.

    Args:
        input_size: channels of the input, ``I``.
        output_size: channels of the output, ``O``.
        rule: how a memory is written, one of ``RULES``.
        width: channels between the layers, ``D``; a memory has ``width / heads`` columns, ``M``.
        layers: number of layers, ``L``.
        heads: memories in each layer, ``H``.
        key_width: rows of a memory, ``N``: so many keys can differ fully.
        convolution: how many steps, this one and those before, keys, queries and add vectors see.

    Raises:
        ValueError: if a size is not positive, the rule is unknown, or the heads do not share the
            width evenly.
    """

    @telling
    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        rule: str = "delta",
        width: int = 64,
        layers: int = 2,
        heads: int = 2,
        key_width: int = 32,
        convolution: int = 4,
    ) -> None:
        super().__init__()
        if rule not in RULES:
            raise ValueError(f"rule: expected one of {list(RULES)}, got {rule!r}")
        sizes = check_positive(
            input_size=input_size, output_size=output_size, width=width, layers=layers,
            heads=heads, key_width=key_width, convolution=convolution,
        )  # fmt: skip
        self.input_size, self.output_size, width, layers, heads, key_width, reach = sizes.values()
        if width % heads:
            raise ValueError(f"heads: expected to divide the width, {width}, got {heads}")
        self.settings: dict[str, Any] = {**sizes, "rule": rule}
        self.input = nn.Linear(self.input_size, width)
        self.layers = nn.ModuleList(
            _Layer(width, heads, key_width, reach, rule) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, self.output_size)

    def trace(
        self, inputs: Float[Tensor, "T B I"]
    ) -> tuple[Float[Tensor, "T B O"], FastWeightsTrace]:
        """Run a whole sequence step by step, and return all that happened beside the logits.

        Raises:
            ValueError: as when the model is called.
        """
        layers: list[list[Tensor]] = []
        run = partial(_write_each, keep=layers.append)
        logits, _ = self._run(inputs, self._checked(inputs, None), run)
        parts = (torch.stack(part, dim=2) for part in zip(*layers, strict=True))
        return logits, FastWeightsTrace(*parts)

    def _shapes(self, batch_size: int, given: Any) -> FastWeightsState:
        width, layers, heads, rows, reach = (
            self.settings[name] for name in ("width", "layers", "heads", "key_width", "convolution")
        )
        channels = heads * 2 * rows + width
        memory: Any = torch.Size((batch_size, layers, heads, rows, width // heads))
        past: Any = torch.Size((batch_size, layers, reach - 1, channels))
        return FastWeightsState(memory, past)

    def _run(
        self, inputs: Tensor, state: FastWeightsState, run: Run = write_all
    ) -> tuple[Tensor, FastWeightsState]:
        x, ends = self.input(inputs.transpose(0, 1)), []
        for number, layer in enumerate(self.layers):
            x, *end = layer(x, state.memory[:, number], state.past[:, number], run)
            ends.append(end)
        memory, past = (torch.stack(part, dim=1) for part in zip(*ends, strict=True))
        return self.output(self.norm(x)).transpose(0, 1), FastWeightsState(memory, past)
