"""Priority sort, Section 4.5: give vectors back in the order of their priorities."""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ntm_tutorial.checks import check_together, telling, whole
from ntm_tutorial.tasks.base import (
    Difficulty,
    Episode,
    Task,
    random_bits,
    random_numbers,
    same_for_all,
)


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
    input_channels = {
        "bits": slice(0, bits),
        "priority": slice(bits, bits + 1),
        "delimiter": slice(bits + 1, bits + 2),
    }
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
        vectors = random_bits(most, batch_size, self.bits, generator=generator)
        priorities = random_numbers(most, batch_size, generator=generator) * 2 - 1
        return _lay_out(vectors, priorities, counts, wanted)


def _lay_out(
    vectors: Float[Tensor, "L B 8"],
    priorities: Float[Tensor, "L B"],
    counts: Int[Tensor, "B"],
    wanted: Int[Tensor, "B"],
) -> Episode:
    """Make sequences of the first ``counts`` vectors, and answers of the ``wanted`` best."""
    bits, most = PrioritySort.bits, len(vectors)
    time = torch.arange(int((counts + wanted).max()) + 1).unsqueeze(1)
    given = time[:most] < counts
    inputs = vectors.new_zeros(len(time), vectors.shape[1], PrioritySort.input_size)
    inputs[:most, :, :bits] = vectors * given.unsqueeze(-1)
    inputs[:most, :, bits] = priorities * given
    inputs[..., bits + 1] = (time == counts).float()
    order = priorities.where(given, -torch.inf).argsort(dim=0, descending=True, stable=True)
    mask = (time > counts) & (time <= counts + wanted)
    place = (time - counts - 1).clamp(0, most - 1)
    targets = vectors.take_along_dim(order.gather(0, place).unsqueeze(-1), dim=0)
    difficulty: Difficulty = {"items": counts, "answers": wanted}
    return Episode(inputs, targets * mask.unsqueeze(-1), same_for_all(mask), difficulty)


@telling
def arrange(
    vectors: Float[Tensor, "L B 8"], priorities: Float[Tensor, "L B"], answers: int
) -> Episode:
    """Make priority sorts of given vectors and priorities; of two that tie, the earlier goes first.

    Raises:
        ValueError: if there are no vectors of 8 bits with a priority each, a priority is not from
            -1 to 1, or ``answers`` is not from 1 to L.
    """
    bits, shape = PrioritySort.bits, tuple(vectors.shape)
    check_together(vectors=vectors, priorities=priorities)
    if len(shape) != 3 or shape[2] != bits or vectors.numel() == 0:
        raise ValueError(f"vectors: expected shape (L, B, {bits}), got {shape}")
    if priorities.shape != shape[:2] or not bool((priorities.abs() <= 1).all()):
        largest = priorities.abs().amax() if priorities.numel() else 0
        raise ValueError(
            f"priorities: expected numbers from -1 to 1 of shape {shape[:2]}, got shape "
            f"{tuple(priorities.shape)}, largest size {largest:g}"
        )
    counts = torch.full((shape[1],), shape[0])
    wanted = torch.full_like(counts, whole("answers", answers, most=shape[0]))
    return _lay_out(vectors, priorities, counts, wanted)
