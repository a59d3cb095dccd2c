"""Tasks of ours: with ticks, fed, and rebinding."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ntm_tutorial.tasks.base import Episode, Task, random_bits, random_numbers, same_for_all
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


class Fed(Task):
    """A task with as many more input channels as it has outputs: the last answer is heard there.

    The paper's tasks are silent: while an answer is due, the input is zero. Later work on copying
    mostly feeds the last answer back. An episode feeds the *right* answers, which is how such
    models are trained (teacher forcing); ``evaluate`` lets a model hear its own.

    Copy, length 3, time to the right::

        inputs   bits       a b c . . . .
                 delimiter  . . . 1 . . .
                 heard      . . . . . a b
        targets  bits       . . . . a b c

    Args:
        task: the silent one.
    """

    def __init__(self, task: Task) -> None:
        self.silent = task
        self.name = f"{task.name}-fed"
        self.input_size = task.input_size + task.output_size
        self.output_size = task.output_size
        self.heard = slice(task.input_size, self.input_size)
        self.input_channels = task.input_channels | {"heard": self.heard}
        self.training_range = task.training_range

    def sample(
        self, batch_size: int, *, generator: Generator | None = None, **difficulty: Any
    ) -> Episode:
        """Draw the silent task's sequences, with the right answers to be heard.

        Raises:
            ValueError: as the silent task does.
        """
        episode = self.silent.sample(batch_size, generator=generator, **difficulty)
        mask = episode.mask.reshape(len(episode.mask), -1, 1)
        said = torch.zeros_like(episode.targets)
        said[1:] = (episode.targets * mask)[:-1]
        inputs = torch.cat([episode.inputs, said], dim=-1)
        return Episode(inputs, episode.targets, episode.mask, episode.difficulty)


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
