"""Repeat copy with ticks: the repeats are not a number but as many ticks, one a step."""

from jaxtyping import Float, Int
from torch import Tensor

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

    def _pause(self, counts: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        return counts

    def _told(self, since: Int[Tensor, "T B"], counts: Int[Tensor, "B"]) -> Float[Tensor, "T B"]:
        return ((since > 0) & (since <= counts)).float()
