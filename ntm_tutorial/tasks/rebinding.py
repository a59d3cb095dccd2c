"""Rebinding: a key is given a value, then others in its place; the last one is asked for."""

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from ntm_tutorial.tasks.base import Episode, Task, random_bits, random_numbers, same_for_all


class Rebinding(Task):
    """Remember the last value of every key.

    Keys are different rows of bits. Each gets a value as often as there are bindings, all in random
    order; then each is asked for once, and answered at that same step. Two items, two bindings,
    time to the right::

        inputs   key     k l l k l k
                 value   a b c d . .
                 query   . . . . 1 1
        targets  value   . . . . c d
        mask                     ? ?
    """

    name = "rebinding"
    bits = 8
    input_size = 2 * bits + 1
    output_size = bits
    input_channels = {
        "key": slice(0, bits),
        "value": slice(bits, 2 * bits),
        "query": slice(2 * bits, input_size),
    }
    training_range = {"items": (2, 8), "bindings": (1, 4)}

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        items: int | Int[Tensor, "B"] | None = None,
        bindings: int | Int[Tensor, "B"] | None = None,
    ) -> Episode:
        """Draw fresh sequences; see the class for how they look.

        Args:
            batch_size: number of sequences.
            generator: source of randomness.
            items: number of keys, for all sequences or for each; left out, 2 to 8.
            bindings: how many values each key gets; left out, 1 to 4.

        Raises:
            ValueError: if a number is below 1, or there are more items than different keys.
        """
        counts = self._difficulty("items", items, batch_size, generator)
        times = self._difficulty("bindings", bindings, batch_size, generator)
        if counts.max() > 2**self.bits:
            raise ValueError(f"items: expected at most {2**self.bits} different keys, got {items}")
        writes = counts * times
        step = torch.arange(int((writes + counts).max()))
        write = step < writes.unsqueeze(1)
        ask = ~write & (step < (writes + counts).unsqueeze(1))

        keys = _shuffled(torch.full_like(counts, 2**self.bits), 2**self.bits, generator)
        turns = _shuffled(writes, len(step), generator) % counts.unsqueeze(1)
        asked = _shuffled(counts, len(step), generator)
        since = (step - writes.unsqueeze(1)).clamp_min(0)
        item = torch.where(write, turns, asked.gather(1, since))
        rows = keys.gather(1, item * (write | ask)).unsqueeze(-1)
        bits = (rows >> torch.arange(self.bits)) & 1

        values = random_bits(batch_size, len(step), self.bits, generator=generator)
        last = torch.zeros(batch_size, int(counts.max()), dtype=torch.long)
        last.scatter_reduce_(1, item * write, step * write, "amax")
        answers = values.take_along_dim(last.gather(1, item * ask).unsqueeze(-1), dim=1)
        present, written, query = (part.unsqueeze(-1) for part in (write | ask, write, ask))
        inputs = torch.cat([bits * present, values * written, query], dim=-1).to(values.dtype)
        return Episode(
            inputs.transpose(0, 1).contiguous(),
            (answers * query).transpose(0, 1).contiguous(),
            same_for_all(ask.T),
            {"items": counts, "bindings": times},
        )


def _shuffled(
    counts: Int[Tensor, "B"], width: int, generator: Generator | None
) -> Int[Tensor, "B W"]:
    """Return each sequence's numbers below its count in random order, then the others."""
    places = torch.arange(width)
    drawn = random_numbers(len(counts), width, generator=generator)
    return torch.where(places < counts.unsqueeze(1), drawn, 2.0).argsort(dim=1)
