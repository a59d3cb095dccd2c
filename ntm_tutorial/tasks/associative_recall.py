"""Associative recall, Section 4.3: shown one item of a list, name the item that followed it."""

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from ntm_tutorial.tasks.base import (
    Episode,
    Task,
    per_sequence,
    random_bits,
    random_numbers,
    same_for_all,
)


class AssociativeRecall(Task):
    """Recall the item that came after the queried one.

    An item is three vectors of six bits. Each item is bounded by delimiters on both sides (one
    item's right is the next one's left), the query by query delimiters. Two items, ``a`` queried,
    time to the right; ``?`` marks the outputs that count::

        inputs   bits             . a a a . b b b . a a a . . . .
                 item delimiter   1 . . . 1 . . . . . . . . . . .
                 query delimiter  . . . . . . . . 1 . . . 1 . . .
        targets  bits             . . . . . . . . . . . . . b b b
        mask                                                ? ? ?
    """

    name = "associative-recall"
    bits = 6
    item_length = 3
    input_size = bits + 2
    output_size = bits
    input_channels = {
        "bits": slice(0, bits),
        "item delimiter": slice(bits, bits + 1),
        "query delimiter": slice(bits + 1, bits + 2),
    }
    training_range = {"items": (2, 6)}

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        items: int | Int[Tensor, "B"] | None = None,
        query: int | Int[Tensor, "B"] | None = None,
    ) -> Episode:
        """Draw fresh sequences; see the class for how they look.

        Args:
            batch_size: number of sequences.
            generator: source of randomness.
            items: number of items, for all sequences or for each; left out, 2 to 6.
            query: index of the queried item, from 0 to items - 2; left out, any of these.

        Raises:
            ValueError: if there are fewer than two items, or the query has no item after it.
        """
        counts = self._difficulty("items", items, batch_size, generator)
        if counts.min() < 2:
            raise ValueError(f"items: expected at least 2, got {items}")
        if query is None:
            query = (random_numbers(batch_size, generator=generator) * (counts - 1)).long()
        queries = per_sequence("query", query, batch_size)
        if (queries < 0).any() or (queries > counts - 2).any():
            raise ValueError(f"query: expected 0 to items - 2, got {query}")

        most, span = int(counts.max()), self.item_length + 1
        vectors = random_bits(most, self.item_length, batch_size, self.bits, generator=generator)
        query_start = counts * span
        answer_start = query_start + span + 1
        steps = int(answer_start.max()) + self.item_length
        inputs = torch.zeros(steps, batch_size, self.input_size)
        targets = torch.zeros(steps, batch_size, self.output_size)
        time = torch.arange(steps).unsqueeze(1)

        listed = (time < query_start).unsqueeze(-1)
        blocks = inputs[: most * span].unflatten(0, (most, span))
        blocks[:, 1:, :, : self.bits] = vectors
        blocks[:, 0, :, self.bits] = 1
        inputs *= listed
        inputs[..., self.bits + 1] = ((time == query_start) | (time == answer_start - 1)).float()
        sequence = torch.arange(batch_size)
        for k in range(self.item_length):
            inputs[query_start + 1 + k, sequence, : self.bits] = vectors[queries, k, sequence]
            targets[answer_start + k, sequence] = vectors[queries + 1, k, sequence]
        mask = (time >= answer_start) & (time < answer_start + self.item_length)
        return Episode(inputs, targets, same_for_all(mask), {"items": counts, "query": queries})
