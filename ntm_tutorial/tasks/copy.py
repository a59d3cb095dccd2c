"""Copy, Section 4.1: store a sequence of random vectors, then give it back."""

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from ntm_tutorial.tasks.base import Episode, Task, random_bits, same_for_all


class Copy(Task):
    """Copy a sequence of random bit vectors.

    A sequence of length 3, time to the right, ``.`` is no input and ``?`` an output that counts::

        inputs   bits       a b c . . . .
                 delimiter  . . . 1 . . .
        targets  bits       . . . . a b c
        mask                        ? ? ?
    """

    name = "copy"
    bits = 8
    input_size = bits + 1
    output_size = bits
    input_channels = {"bits": slice(0, bits), "delimiter": slice(bits, bits + 1)}
    training_range = {"length": (1, 20)}

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        length: int | Int[Tensor, "B"] | None = None,
    ) -> Episode:
        """Draw fresh sequences; see the class for how they look.

        Args:
            batch_size: number of sequences.
            generator: source of randomness.
            length: number of vectors, for all sequences or for each; left out, it is drawn for
                each sequence from 1 to 20.

        Raises:
            ValueError: if a number is below 1.
        """
        lengths = self._difficulty("length", length, batch_size, generator)
        longest = int(lengths.max())
        steps = 2 * longest + 1
        time = torch.arange(steps).unsqueeze(1)
        vectors = random_bits(longest, batch_size, self.bits, generator=generator)

        inputs = torch.zeros(steps, batch_size, self.input_size)
        inputs[:longest, :, : self.bits] = vectors * (time[:longest] < lengths).unsqueeze(-1)
        inputs[..., self.bits] = (time == lengths).float()
        mask = (time > lengths) & (time <= 2 * lengths)
        source = (time - lengths - 1).clamp(0, longest - 1)
        answers = vectors.gather(0, source.unsqueeze(-1).expand(-1, -1, self.bits))
        targets = answers * mask.unsqueeze(-1)
        return Episode(inputs, targets, same_for_all(mask), {"length": lengths})
