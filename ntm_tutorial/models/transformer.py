"""A Transformer's decoder: a memory that is only appended to.

Every step appends one row to the memory of each head, a key beside a value, and reads all rows by
content. Nothing is ever erased, so the state grows with the sequence; a key says nothing of where
its row lies unless a position code does.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntm_tutorial.checks import check_number, check_positive, telling, whole
from ntm_tutorial.sequence import SequenceModel

POSITIONS = ("none", "rope", "alibi", "half-windowed", "coupled")
"""How a head may know where a row lies."""


class TransformerState(NamedTuple):
    """What was appended so far, ``S`` rows.

    Attributes:
        keys: of each layer and head, turned to their positions (layers, B, heads, S, K).
        values: beside them.
        recent: what the convolutions of each layer still need (layers, B, convolution - 1, 3d).
        position: of the last step (B,), as RoPE counts.
    """

    keys: Float[Tensor, "L B H S K"]
    values: Float[Tensor, "L B H S K"]
    recent: Float[Tensor, "L B C D"]
    position: Float[Tensor, "B"]


class TransformerTrace(NamedTuple):
    """Where each head looked at each step.

    Attributes:
        weighting: over the rows of the whole sequence (T, B, layers, heads, T); 0 on later ones.
        sink: what fell on the learned slot (T, B, layers, heads); 0 where there is none.
        position: of each step (T, B), as RoPE counts.
    """

    weighting: Float[Tensor, "T B L H S"]
    sink: Float[Tensor, "T B L H"]
    position: Float[Tensor, "T B"]


class Transformer(SequenceModel):
    r"""A causal decoder of pre-norm blocks, with the state that ``torch.nn.LSTM`` would hand on.

    A head with query :math:`q`, and so far the rows :math:`k_s`, :math:`v_s`, reads

    .. math:: r = \sum_s w_s v_s, \qquad w_s \propto \exp(q \cdot k_s / \sqrt K + b_s)

    which is Eq. 5 with a dot product for the cosine, and Eq. 2. With ``sink``, one more slot of
    learned logit and value is among the rows. What ``positions`` may be:

    - ``"none"``: :math:`b = 0`, and a row's place is unknown;
    - ``"rope"``: keys and queries are turned by angles that grow with their steps, so that a logit
      depends on the distance (Su et al. 2021);
    - ``"alibi"``: :math:`b_s` falls with the distance, at another slope in each head (Press et al.
      2022);
    - ``"half-windowed"``: no code, but half of the heads see the last ``window`` steps alone
      (Jelassi et al. 2024);
    - ``"coupled"``: as ``"rope"``, but the count of steps starts again, from 0, at each step where
      an input channel of ``restart`` is above one half. The first step counts 1, as if such a step
      came before it. So the answer's steps have the positions of what they are to repeat.

    Args:
        input_size: channels of the input, ``I``.
        output_size: channels of the output, ``O``.
        width: of the stream between the layers, ``d``; a head has ``K`` = d / heads of it.
        layers: number of blocks, each attention and a perceptron of 4d hidden units.
        heads: per layer.
        positions: one of ``POSITIONS``.
        restart: with ``"coupled"``, the input channels that start the count again; none of them,
            and it is as ``"rope"``.
        base: of RoPE's angles. Pair ``i`` of ``n`` turns by base^(-i / n) a step, so the slowest
            turns almost so many times slower than the first.
        window: with ``"half-windowed"``, the steps that the first half of the heads see.
        convolution: each query, key and value is a sum over its last so many steps, weighted by
            channel (a short convolution); 1 leaves it out.
        sink: whether each head has one more slot.

    Raises:
        ValueError: if a size is not a positive whole number, the heads do not divide the width, or
            the position code does not fit.
    """

    @telling
    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        positions: str = "rope",
        restart: Sequence[int] = (),
        base: float = 10_000.0,
        window: int = 4,
        convolution: int = 1,
        sink: bool = False,
    ) -> None:
        super().__init__()
        sizes = check_positive(
            input_size=input_size, output_size=output_size, width=width, layers=layers,
            heads=heads, window=window, convolution=convolution,
        )  # fmt: skip
        self.input_size, self.output_size = sizes["input_size"], sizes["output_size"]
        self.restart = [whole("restart", one, 0, self.input_size - 1) for one in restart]
        self.settings: dict[str, Any] = {
            **sizes, "positions": positions, "restart": self.restart,
            "base": check_number("base", base, 1), "sink": bool(sink),
        }  # fmt: skip
        self._check_positions()
        self.embed = nn.Linear(self.input_size, sizes["width"])
        self.blocks = nn.ModuleList(
            Block(sizes["width"], sizes["heads"], sizes["convolution"], sink=bool(sink))
            for _ in range(sizes["layers"])
        )
        self.norm = nn.LayerNorm(sizes["width"])
        self.output = nn.Linear(sizes["width"], self.output_size)

    def _check_positions(self) -> None:
        width, heads, positions = (self.settings[n] for n in ("width", "heads", "positions"))
        if positions not in POSITIONS:
            raise ValueError(f"positions: expected one of {POSITIONS}, got {positions!r}")
        turned = positions in ("rope", "coupled")
        if width % (heads * (1 + turned)):
            raise ValueError(f"heads: expected {'pairs ' * turned}to divide {width}, got {heads}")
        if self.restart and positions != "coupled":
            raise ValueError(
                f"restart: expected none unless positions are coupled, got {self.restart} with "
                f"{positions!r}"
            )
        if positions == "half-windowed" and heads % 2:
            raise ValueError(f"heads: expected an even number of half-windowed ones, got {heads}")

    def _shapes(self, batch_size: int, given: Any) -> TransformerState:
        keys: Any = getattr(given, "keys", None)
        rows = keys.shape[3] if isinstance(keys, Tensor) and keys.dim() == 5 else 0
        width, layers, heads = (self.settings[n] for n in ("width", "layers", "heads"))
        appended = torch.Size((layers, batch_size, heads, rows, width // heads))
        recent = torch.Size((layers, batch_size, self.settings["convolution"] - 1, 3 * width))
        sizes: Any = (appended, appended, recent, torch.Size((batch_size,)))
        return TransformerState(*sizes)

    def _run(self, inputs: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        return self._look(inputs, state)[:2]

    def trace(
        self, inputs: Float[Tensor, "T B I"]
    ) -> tuple[Float[Tensor, "T B O"], TransformerTrace]:
        """Run a sequence, and keep where the heads look.

        Raises:
            ValueError: if the inputs do not have ``input_size`` channels.
        """
        logits, _, weighting, position = self._look(inputs, self._checked(inputs, None))
        rows = len(inputs)
        every = torch.stack(weighting).permute(3, 1, 0, 2, 4)  # T, B, layers, heads, rows
        sink = every[..., rows] if self.settings["sink"] else torch.zeros_like(every[..., 0])
        return logits, TransformerTrace(every[..., :rows], sink, position)

    def _look(
        self, inputs: Tensor, state: TransformerState
    ) -> tuple[Tensor, TransformerState, list[Tensor], Tensor]:
        position = self._count(inputs, state.position)
        turn = self._turn(position)
        bias = self._bias(len(inputs), state.keys.shape[3])
        x, ends, weightings = self.embed(inputs), [], []
        for block, *start in zip(self.blocks, *state[:3], strict=True):
            x, end, weighting = block(x, tuple(start), bias, turn)
            ends.append(end)
            weightings.append(weighting)
        keys, values, recent = (torch.stack(parts) for parts in zip(*ends, strict=True))
        state = TransformerState(keys, values, recent, position[-1])
        return self.output(self.norm(x)), state, weightings, position

    def _count(self, inputs: Tensor, last: Tensor) -> Float[Tensor, "T B"]:
        """Count steps, from 0 again at each that restarts the count."""
        time = torch.arange(1, len(inputs) + 1, dtype=last.dtype, device=last.device)
        restarts = (inputs[..., self.restart] > 0.5).any(-1)
        since = torch.where(restarts, time.unsqueeze(1), -last).cummax(0).values
        return time.unsqueeze(1) - since

    def _turn(self, position: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return cosine and sine of each pair's angle at each step, (B, 1, T, K / 2)."""
        if self.settings["positions"] not in ("rope", "coupled"):
            return None
        pairs = self.settings["width"] // self.settings["heads"] // 2
        number = torch.arange(pairs, dtype=position.dtype, device=position.device)
        angle = position.T[:, None, :, None] * self.settings["base"] ** (-number / pairs)
        return angle.cos(), angle.sin()

    def _bias(self, steps: int, past: int) -> Float[Tensor, "H T S"]:
        """Return what is added to the logits: minus infinity on rows that a head does not see."""
        like, heads = self.output.weight, self.settings["heads"]
        rows = torch.arange(past + steps, device=like.device)
        distance = rows[past:, None] - rows
        bias = like.new_zeros(heads, steps, past + steps)
        if self.settings["positions"] == "alibi":
            slopes = 2 ** (-8 * torch.arange(1, heads + 1, device=like.device) / heads)
            bias = bias - slopes.to(like)[:, None, None] * distance
        if self.settings["positions"] == "half-windowed":
            bias[: heads // 2].masked_fill_(distance >= self.settings["window"], -math.inf)
        return bias.masked_fill(distance < 0, -math.inf)


class Block(nn.Module):
    """Attention, then a perceptron, each added to the stream that it reads through a norm."""

    def __init__(self, width: int, heads: int, convolution: int, *, sink: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        if convolution > 1:
            self.convolution = nn.Conv1d(3 * width, 3 * width, convolution, groups=3 * width)
        if sink:
            self.sink_logit = nn.Parameter(torch.zeros(heads))
            self.sink_value = nn.Parameter(torch.zeros(heads, width // heads))
        self.merge = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(
        self,
        x: Float[Tensor, "T B D"],
        state: tuple[Tensor, Tensor, Tensor],
        bias: Float[Tensor, "H T S"],
        turn: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor], Tensor]:
        """Return the stream, the state and the weightings (B, heads, T, rows)."""
        keys, values, recent = state
        mixed, recent = self._mixed(self.project(self.norm(x)), recent)
        split = mixed.unflatten(-1, (3, self.heads, -1)).permute(2, 1, 3, 0, 4)
        query, key, value = split  # each (B, heads, T, K)
        if turn is not None:
            query, key = turned(query, turn), turned(key, turn)
        keys, values = torch.cat([keys, key], -2), torch.cat([values, value], -2)
        logits = query @ keys.mT / math.sqrt(query.shape[-1]) + bias
        read, weighting = self._read(logits, values)
        x = x + self.merge(read.permute(2, 0, 1, 3).flatten(2))
        return x + self.perceptron(x), (keys, values, recent), weighting

    def _mixed(self, x: Tensor, recent: Tensor) -> tuple[Tensor, Tensor]:
        """Sum each channel over the last steps, and return what the next ones need."""
        if not recent.shape[1]:
            return x, recent
        past = torch.cat([recent.transpose(0, 1), x])
        summed = self.convolution(past.permute(1, 2, 0)).permute(2, 0, 1)
        return summed, past[-recent.shape[1] :].transpose(0, 1)

    def _read(self, logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Read the values, and the sink's as the last of them."""
        if not hasattr(self, "sink_logit"):
            weighting = logits.softmax(-1)
            return weighting @ values, weighting
        one = self.sink_logit[:, None, None].expand(*logits.shape[:-1], 1)
        weighting = torch.cat([logits, one], -1).softmax(-1)
        read = weighting[..., :-1] @ values + weighting[..., -1:] * self.sink_value[:, None]
        return read, weighting


@telling
def turned(
    vectors: Float[Tensor, "B H T K"], turn: tuple[Tensor, Tensor]
) -> Float[Tensor, "B H T K"]:
    r"""Turn each pair of a vector's components by its angle (RoPE).

    The first half of the components is paired with the second. A dot product of two turned vectors
    depends on the difference of their angles alone.

    Args:
        vectors: queries or keys (B, H, T, K).
        turn: cosine and sine of each angle, any shape that goes with half of a vector.
    """
    cosine, sine = turn
    first, second = vectors.chunk(2, -1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1)
