"""Learning in the page: its gradients and its updates are PyTorch's."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ntm_tutorial import NTM, TASKS, LSTMBaseline
from ntm_tutorial.tasks import Episode
from tests.browser import Tally
from tools.links import ROOT

SCRIPT = ROOT / "book" / "_static" / "playground" / "learning.js"


@pytest.fixture(scope="module")
def bare(browser: Browser) -> Iterator[Page]:
    """An empty page with the script that learns, and nothing else."""
    page = browser.new_page()
    page.add_script_tag(path=SCRIPT)
    yield page
    page.close()


# ---- The gradient

TINY = {"controller_size": 12, "memory_locations": 10, "memory_width": 5}
MACHINES: dict[str, dict[str, Any]] = {
    "feed-forward": TINY,
    "feed-forward, two layers": TINY | {"controller_layers": 2},
    "LSTM controller": TINY | {"controller": "lstm"},
    "LSTM controller, two layers": TINY | {"controller": "lstm", "controller_layers": 2},
    "many heads": TINY | {"read_heads": 3, "write_heads": 2},
    "many write heads, LSTM": TINY | {"controller": "lstm", "write_heads": 3},
    "wide shifts": TINY | {"shift_range": 3},
    "no shifts": TINY | {"shift_range": 0},
    "learned memory": TINY | {"learned_memory": True},
    "small": {"controller_size": 64, "memory_locations": 32, "memory_width": 16},
    "small, LSTM": {"controller": "lstm", "controller_size": 64, "memory_locations": 32,
                    "memory_width": 16},
    "the paper's": {},
    "the paper's, LSTM": {"controller": "lstm"},
    "LSTM": {"hidden_size": 12, "layers": 1},
    "LSTM, three layers": {"hidden_size": 12, "layers": 3},
}  # fmt: skip


def build(name: str) -> NTM | LSTMBaseline:
    """Build a machine in which nothing is special: every weight is off its start."""
    torch.manual_seed(sorted(MACHINES).index(name))
    kind = LSTMBaseline if "hidden_size" in MACHINES[name] else NTM
    model = kind(9, 8, **MACHINES[name]).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def loss_of(model: nn.Module, episode: Episode) -> Tensor:
    """The training loss: nats over the steps that count, averaged over the batch."""
    loss = binary_cross_entropy_with_logits(
        model(episode.inputs)[0], episode.targets, reduction="none"
    )
    mask = episode.mask if episode.mask.dim() == 2 else episode.mask.unsqueeze(-1)
    return (loss.sum(-1) * mask).sum() / loss.shape[1]


def lists(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in tensors.items()}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", MACHINES)
def test_a_gradient_is_autograds(bare: Page, tally: Tally, name: str, batch: int) -> None:
    model, length = build(name), 4 if batch > 1 else 9
    lengths = torch.randint(1, length + 1, (batch,)) if batch > 1 else length
    episode = TASKS["copy"].sample(batch, length=lengths)
    inputs, targets = episode.inputs.double(), episode.targets.double()
    loss = loss_of(model, Episode(inputs, targets, episode.mask))
    loss.backward()
    found = bare.evaluate(
        "([settings, ...rest]) => Learning.gradient(settings, ...rest)",
        [model.settings, lists(dict(model.named_parameters())), inputs.tolist(), targets.tolist(),
         episode.mask.tolist()],
    )  # fmt: skip
    tally("gradients of a machine", 1)
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-10)
    assert found["gradients"].keys() == dict(model.named_parameters()).keys()
    for weight, parameter in model.named_parameters():
        theirs = torch.tensor(found["gradients"][weight], dtype=torch.float64)
        assert parameter.grad is not None
        difference = (theirs - parameter.grad).abs().max() / parameter.grad.abs().max()
        assert difference < 1e-8, (weight, difference)
