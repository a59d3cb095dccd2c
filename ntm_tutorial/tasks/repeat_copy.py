"""Repeat copy, Section 4.2: give a sequence back a stated number of times, then say "end"."""

import math

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ntm_tutorial.tasks.base import Episode, Task, random_bits, same_for_all


class RepeatCopy(Task):
    """Copy a sequence of random bit vectors several times, then mark the end.

    Length 2, repeats 2, time to the right; ``n`` is the repeat count, scaled to mean 0 and
    variance 1 over the training range; ``?`` marks the outputs that count::

        inputs   bits        a b . . . . . .
                 delimiter   . . 1 . . . . .
                 repeats     . . n . . . . .
        targets  bits        . . . a b a b .
                 end marker  . . . . . . . 1
        mask                       ? ? ? ? ?
    """

    name = "repeat-copy"
    bits = 8
    input_size = bits + 2
    output_size = bits + 1
    input_channels = {
        "bits": slice(0, bits),
        "delimiter": slice(bits, bits + 1),
        "repeats": slice(bits + 1, bits + 2),
    }
    training_range = {"length": (1, 10), "repeats": (1, 10)}

    def scale(self, repeats: Int[Tensor, "*S"]) -> Tensor:
        """Scale counts, of any shape, to mean 0 and variance 1 over the training range."""
        low, high = self.training_range["repeats"]
        deviation = math.sqrt(((high - low + 1) ** 2 - 1) / 12)  # of a uniform distribution
        return (repeats - (low + high) / 2) / deviation

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        length: int | Int[Tensor, "B"] | None = None,
        repeats: int | Int[Tensor, "B"] | None = None,
    ) -> Episode:
        """Draw fresh sequences; see the class for how they look.

        Args:
            batch_size: number of sequences.
            generator: source of randomness.
            length: number of vectors, for all sequences or for each; left out, 1 to 10.
            repeats: number of copies, for all sequences or for each; left out, 1 to 10.

        Raises:
            ValueError: if a number is below 1.
        """
        lengths = self._difficulty("length", length, batch_size, generator)
        counts = self._difficulty("repeats", repeats, batch_size, generator)
        longest, starts = int(lengths.max()), lengths + 1 + self._pause(counts)
        ends = starts + lengths * counts
        time = torch.arange(int(ends.max()) + 1).unsqueeze(1)
        vectors = random_bits(longest, batch_size, self.bits, generator=generator)

        inputs = torch.zeros(len(time), batch_size, self.input_size)
        inputs[:longest, :, : self.bits] = vectors * (time[:longest] < lengths).unsqueeze(-1)
        inputs[..., self.bits] = (time == lengths).float()
        inputs[..., self.bits + 1] = self._told(time - lengths, counts)
        copying = (time >= starts) & (time < ends)
        source = (time - starts).clamp(min=0) % lengths
        answers = vectors.gather(0, source.unsqueeze(-1).expand(-1, -1, self.bits))
        targets = torch.zeros(len(time), batch_size, self.output_size)
        targets[..., : self.bits] = answers * copying.unsqueeze(-1)
        targets[..., self.bits] = (time == ends).float()
        mask = same_for_all(copying | (time == ends))
        return Episode(inputs, targets, mask, {"length": lengths, "repeats": counts})

    def _pause(self, counts: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """Return how many steps lie between the delimiter and the answer."""
        return torch.zeros_like(counts)

    def _told(self, since: Int[Tensor, "T B"], counts: Int[Tensor, "B"]) -> Float[Tensor, "T B"]:
        """Return what the last channel says of the count, so many steps after the delimiter."""
        return (since == 0) * self.scale(counts)
