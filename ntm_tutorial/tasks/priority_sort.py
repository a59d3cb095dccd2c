"""Priority sort, Section 4.5: give vectors back in the order of their priorities."""

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from ntm_tutorial.tasks.base import Episode, Task, random_bits, same_for_all


class PrioritySort(Task):
    """Sort vectors by priority, highest first; each vector moves as a whole.

    Three vectors in, two out, ``b`` before ``c`` before ``a``; time to the right; ``?`` marks the
    outputs that count::

        inputs   bits       a  b  c . . .
                 priority  -.8 .9 .1 . . .
                 delimiter  .  .  . 1 . .
        targets  bits       .  .  . . b c
        mask                          ? ?
    """

    name = "priority-sort"
    bits = 8
    input_size = bits + 2
    output_size = bits
    training_range = {"items": (20, 20), "answers": (16, 16)}

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        items: int | Int[Tensor, "B"] | None = None,
        answers: int | Int[Tensor, "B"] | None = None,
    ) -> Episode:
        """Draw fresh sequences; see the class for how they look.

        Args:
            batch_size: number of sequences.
            generator: source of randomness.
            items: number of vectors given, for all sequences or for each; left out, 20.
            answers: number of vectors wanted, for all sequences or for each; left out, 16.

        Raises:
            ValueError: if a number is below 1, or more answers than items are asked for.
        """
        counts = self._difficulty("items", items, batch_size, generator)
        wanted = self._difficulty("answers", answers, batch_size, generator)
        for count, want in zip(counts.tolist(), wanted.tolist(), strict=True):
            if want > count:
                raise ValueError(f"answers: expected at most items = {count}, got {want}")
        most = int(counts.max())
        time = torch.arange(int((counts + wanted).max()) + 1).unsqueeze(1)
        given = time[:most] < counts
        vectors = random_bits(most, batch_size, self.bits, generator=generator)
        priorities = torch.rand(most, batch_size, generator=generator) * 2 - 1

        inputs = torch.zeros(len(time), batch_size, self.input_size)
        inputs[:most, :, : self.bits] = vectors * given.unsqueeze(-1)
        inputs[:most, :, self.bits] = priorities * given
        inputs[..., self.bits + 1] = (time == counts).float()
        order = priorities.where(given, -torch.inf).argsort(dim=0, descending=True)
        mask = (time > counts) & (time <= counts + wanted)
        place = (time - counts - 1).clamp(0, most - 1)
        source = order.gather(0, place)
        targets = vectors.gather(0, source.unsqueeze(-1).expand(-1, -1, self.bits))
        return Episode(inputs, targets * mask.unsqueeze(-1), same_for_all(mask))
