"""Tasks of ours beside the paper's: fed, and with ticks."""

import pytest
import torch
from torch import Tensor, nn

from ntm_tutorial import TASKS, evaluate
from ntm_tutorial.tasks import ALL_TASKS


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("same", [True, False])
def test_ticks_ask_for_the_same_and_say_so_step_by_step(same: bool) -> None:
    sizes = {"length": 2, "repeats": 3} if same else {}
    plain = TASKS["repeat-copy"].sample(6, generator=generator(), **sizes)
    ticks = ALL_TASKS["repeat-copy-ticks"].sample(6, generator=generator(), **sizes)
    assert plain.difficulty is not None and ticks.mask.dim() == (1 if same else 2)
    for i in range(6):
        length, count = (int(torch.as_tensor(n)[i]) for n in plain.difficulty.values())
        last, shift = length + 1 + length * count, count
        bits = ticks.inputs[:, i]
        assert torch.equal(bits[: length + 1, :9], plain.inputs[: length + 1, i, :9])
        heard = torch.zeros(len(bits))
        heard[length + 1 : length + 1 + count] = 1
        assert torch.equal(bits[:, 9], heard) and not bits[length + 1 :, :9].any()
        answers = ticks.targets[length + 1 + shift : last + shift + 1, i]
        assert torch.equal(answers, plain.targets[length + 1 : last + 1, i])
        mask = ticks.mask if same else ticks.mask[:, i]
        steps = torch.arange(len(mask))
        assert torch.equal(mask, (steps > length + count) & (steps <= last + shift))


def test_fed_lets_the_right_answers_be_heard() -> None:
    silent, fed = TASKS["copy"], ALL_TASKS["copy-fed"]
    plain = silent.sample(4, generator=generator(), length=3)
    episode = fed.sample(4, generator=generator(), length=3)
    assert fed.input_size == 17 and torch.equal(episode.inputs[..., :9], plain.inputs)
    assert torch.equal(episode.inputs[5:, :, 9:], plain.targets[4:-1])
    assert not episode.inputs[:5, :, 9:].any()


class Echo(nn.Module):
    """Says what it hears, turned around."""

    def __init__(self, heard: slice) -> None:
        super().__init__()
        self.heard, self.weight = heard, nn.Parameter(torch.zeros(1))
        self.listened: list[Tensor] = []

    def initial_state(self, batch_size: int) -> None:
        return None

    def step(self, x: Tensor, state: None) -> tuple[Tensor, None]:
        self.listened.append(x[:, self.heard])
        return 0.5 - x[:, self.heard], None

    def forward(self, inputs: Tensor, state: None = None) -> tuple[Tensor, None]:
        return 0.5 - inputs[..., self.heard], None


def test_at_test_a_fed_model_hears_itself() -> None:
    task = ALL_TASKS["copy-fed"]
    assert task.heard is not None
    model = Echo(task.heard)
    evaluate(model, task, sequences=3, length=3)
    heard = torch.stack(model.listened)[:, 0, 0]
    assert heard.tolist() == [0, 0, 0, 0, 0, 1, 0]  # from its first answer on, what it said
