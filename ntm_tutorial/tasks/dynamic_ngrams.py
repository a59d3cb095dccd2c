"""Dynamic N-grams, Section 4.4: predict bits whose statistics are new in every sequence."""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ntm_tutorial.checks import telling
from ntm_tutorial.tasks.base import Episode, Task, random_bits, random_numbers, same_for_all

CONTEXT = 5
"""Bits of context in a 6-gram."""


class DynamicNGrams(Task):
    """Predict the next bit of a random 6-gram source.

    For every sequence a new table of 32 probabilities is drawn from Beta(1/2, 1/2), one for each
    context of five bits. The first five bits are fair coin flips; every later bit is drawn from
    the table. The input at a step is a bit and the target the next bit, so 200 bits make 199
    steps. The mask leaves out the coin flips: it marks the predictions of bits 6 to 200.
    """

    name = "dynamic-ngrams"
    input_size = 1
    output_size = 1
    input_channels = {"bits": slice(0, 1)}
    training_range = {"length": (200, 200)}

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
            length: number of bits, for all sequences or for each; left out, 200.

        Raises:
            ValueError: if a sequence has no more bits than the context.
        """
        lengths = self._difficulty("length", length, batch_size, generator)
        if lengths.min() <= CONTEXT:
            raise ValueError(f"length: expected more than {CONTEXT} bits, got {length}")
        longest = int(lengths.max())
        table = _draw_table(batch_size, generator)
        thresholds = random_numbers(longest, batch_size, generator=generator)
        bits = random_bits(longest, batch_size, generator=generator)
        context = contexts(bits[:CONTEXT])[-1]
        for t in range(CONTEXT, longest):
            bits[t] = thresholds[t] < table.gather(1, context.unsqueeze(1)).squeeze(1)
            context = (2 * context + bits[t].long()) % 2**CONTEXT  # oldest out, newest in

        time = torch.arange(longest - 1).unsqueeze(1)
        known = time < lengths - 1
        mask = known & (time >= CONTEXT - 1)
        inputs, targets = ((part * known).unsqueeze(-1) for part in (bits[:-1], bits[1:]))
        return Episode(inputs, targets, same_for_all(mask), {"length": lengths})

    def optimum(self, inputs: Float[Tensor, "T B 1"]) -> Float[Tensor, "T B 1"]:
        """Return the logits of the optimal predictions, Eq. 10."""
        return optimal_predictions(inputs.squeeze(-1)).logit().unsqueeze(-1)


@telling
def optimal_predictions(
    bits: Float[Tensor, "T B"] | Int[Tensor, "T B"],
) -> Float[Tensor, "T B"]:
    r"""Predict each next bit as well as can be done from what was seen, Eq. 10.

    .. math:: p(b = 1 \mid N_1, N_0, c) = \frac{N_1 + 1/2}{N_1 + N_0 + 1}

    ``N1`` and ``N0`` count the ones and zeros that followed this five-bit context so far. Row
    ``t`` predicts bit ``t + 1``; while the context is incomplete the prediction is 1/2.

    Args:
        bits: sequences of zeros and ones, time first.

    Raises:
        ValueError: if ``bits`` is not of shape (T, B) or holds anything but 0 and 1.
    """
    zeros, ones = counts(bits).unbind(-1)
    dtype = bits.dtype if bits.is_floating_point() else torch.get_default_dtype()
    return (ones.to(dtype) + 0.5) / (zeros + ones + 1)


@telling
def counts(bits: Float[Tensor, "T B"] | Int[Tensor, "T B"]) -> Int[Tensor, "T B 2"]:
    """Count what followed each step's context so far: zeros, then ones.

    Row ``t`` holds what is known when bit ``t + 1`` is to be predicted; while the context is
    incomplete both counts are 0.

    Raises:
        ValueError: if ``bits`` is not of shape (T, B) or holds anything but 0 and 1.
    """
    context = contexts(bits)
    steps, batch_size = bits.shape
    seen = context.new_zeros(batch_size, 2**CONTEXT, 2)
    found = context.new_zeros(steps, batch_size, 2)
    sequence = torch.arange(batch_size, device=bits.device)
    for t in range(CONTEXT - 1, steps):
        if t >= CONTEXT:
            seen[sequence, context[t - 1], bits[t].long()] += 1
        found[t] = seen[sequence, context[t]]
    return found


@telling
def contexts(bits: Float[Tensor, "T B"] | Int[Tensor, "T B"]) -> Int[Tensor, "T B"]:
    """Read the five bits that end at each step as a number, 0 to 31, the latest bit last.

    The first four steps have no context yet and get -1.

    Raises:
        ValueError: if ``bits`` is not of shape (T, B) or holds anything but 0 and 1.
    """
    if (
        bits.dim() != 2
        or bits.is_meta
        or bits.is_complex()
        or not bool(((bits == 0) | (bits == 1)).all())
    ):
        raise ValueError(f"bits: expected zeros and ones, shape (T, B), got {tuple(bits.shape)}")
    numbers = torch.full_like(bits, -1, dtype=torch.long)
    if len(bits) >= CONTEXT:
        powers = 2 ** torch.arange(CONTEXT - 1, -1, -1, device=bits.device)
        numbers[CONTEXT - 1 :] = (bits.long().unfold(0, CONTEXT, 1) * powers).sum(-1)
    return numbers


def _draw_table(batch_size: int, generator: Generator | None) -> Float[Tensor, "B 32"]:
    """Draw from Beta(1/2, 1/2), which is the law of sin^2 of a uniform angle."""
    angle = random_numbers(batch_size, 2**CONTEXT, generator=generator) * (torch.pi / 2)
    return angle.sin().square()
