"""Fed: a task of the paper, whose model hears what it answered a step before."""

from typing import Any

import torch
from torch import Generator

from ntm_tutorial.tasks.base import Episode, Task


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
