"""Repeat copy with ticks: the repeats are not a number but as many ticks, one a step."""

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from ntm_tutorial.tasks.base import Episode
from ntm_tutorial.tasks.repeat_copy import RepeatCopy


class Ticks(RepeatCopy):
    """Copy a sequence once for every tick heard, then mark the end.

    A number that is larger than any in training drives the controller where it has never been; a
    longer row of ticks is made of ticks that it knows. Length 2, repeats 2, time to the right::

        inputs   bits        a b . . . . . . . .
                 delimiter   . . 1 . . . . . . .
                 ticks       . . . 1 1 . . . . .
        targets  bits        . . . . . a b a b .
                 end marker  . . . . . . . . . 1
        mask                           ? ? ? ? ?
    """

    name = "repeat-copy-ticks"
    input_channels = RepeatCopy.input_channels | {"repeats": slice(RepeatCopy.bits + 1, None)}

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        length: int | Int[Tensor, "B"] | None = None,
        repeats: int | Int[Tensor, "B"] | None = None,
    ) -> Episode:
        """Draw fresh sequences; see the class for how they look.

        Raises:
            ValueError: if a number is below 1.
        """
        drawn = super().sample(batch_size, generator=generator, length=length, repeats=repeats)
        assert drawn.difficulty is not None
        lengths, counts = (drawn.difficulty[name] for name in ("length", "repeats"))
        assert isinstance(lengths, Tensor) and isinstance(counts, Tensor)
        steps = int((lengths + 1 + counts + lengths * counts).max()) + 1
        time = torch.arange(steps).unsqueeze(1)
        # what came at a step after the delimiter comes as many steps later as there are ticks
        before = torch.where(time > lengths, time - counts, time)
        said = (time <= lengths) | (time > lengths + counts)
        said &= before < len(drawn.inputs)
        source = before.clamp(0, len(drawn.inputs) - 1)
        inputs, targets = (
            tensor.gather(0, source.unsqueeze(-1).expand(-1, -1, tensor.shape[-1]))
            * said.unsqueeze(-1)
            for tensor in (drawn.inputs, drawn.targets)
        )
        inputs[..., -1] = ((time > lengths) & (time <= lengths + counts)).float()
        asked = drawn.mask if drawn.mask.dim() == 2 else drawn.mask.unsqueeze(1)
        mask = asked.expand(-1, batch_size).gather(0, source) & said
        same = bool((mask == mask[:, :1]).all())
        return Episode(inputs, targets, mask[:, 0] if same else mask, drawn.difficulty)
