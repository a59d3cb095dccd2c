"""Learning in the page: its gradients and its updates are PyTorch's."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ntm_tutorial import NTM, TASKS, LSTMBaseline, train
from ntm_tutorial.recipes import LIVE
from ntm_tutorial.settings import flat
from ntm_tutorial.tasks import Episode
from ntm_tutorial.tasks.copy import Copy
from tests.browser import PHONE, Tally, Visit, axe_violations
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

SIZES: dict[str, dict[str, Any]] = {
    "small": {"controller_size": 64, "memory_locations": 32, "memory_width": 16},
    "paper": {},
}
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
    "small": SIZES["small"],
    "small, LSTM": SIZES["small"] | {"controller": "lstm"},
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


def as_lists(episode: Episode) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in episode._asdict().items()}


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


# ---- The updates


class Recorded(Copy):
    """Copy in double precision, which keeps what it draws."""

    def __init__(self) -> None:
        self.drawn: list[Episode] = []

    def sample(self, batch_size: int, **settings: Any) -> Episode:
        inputs, targets, mask = super().sample(batch_size, **settings)
        mask = mask if mask.dim() == 2 else mask[:, None].expand(-1, batch_size)
        self.drawn.append(Episode(inputs.double(), targets.double(), mask))
        return self.drawn[-1]


UPDATES = """
([size, start, batches]) => {
  const { RECIPE, Trainer, cost, learn } = Learning.core;
  const trainer = new Trainer({ size, ...RECIPE });
  for (const [name, values] of Object.entries(start)) trainer.weights[name].set(values.flat(2));
  const sequence = ({ inputs, targets, mask }, b) => ({
    steps: inputs.length,
    inputs: Float64Array.from(inputs.flatMap((step) => step[b])),
    targets: Float64Array.from(targets.flatMap((step) => step[b])),
    asked: Uint8Array.from(mask, (step) => step[b]),
  });
  const { machine, weights, gradients, averaged } = trainer;
  const bits = { training: [], validation: [] };
  const mean = (batch, costOf) => {
    const count = batch.mask[0].length;
    let nats = 0;
    for (let b = 0; b < count; b++) nats += costOf(sequence(batch, b), count);
    return nats / count / Math.LN2;
  };
  for (const [batch, test] of batches) {
    bits.training.push(
      mean(batch, (one, count) => learn(machine, weights, gradients, one, 1 / count)));
    trainer.step();
    bits.validation.push(mean(test, (one) => cost(machine, averaged, one)));
  }
  return bits;
}
"""


@pytest.mark.parametrize("size", ["small", pytest.param("paper", marks=pytest.mark.slow)])
def test_twenty_updates_are_trains(bare: Page, size: str, no_shape_checks: None) -> None:
    """The same start and the same sequences give the costs that `train` gives."""
    torch.manual_seed(1)
    model, task = NTM(9, 8, **SIZES[size]).double(), Recorded()
    model.controller.scale_input(slice(9, None), LIVE.input_gain["reads"])
    start = lists(dict(model.named_parameters()))
    short = {"sequences": 20 * 16, "validate_every": 16, "validation_sequences": 3,
             "decay": 0.0, "stop_at": None, "ramp": 0}  # fmt: skip
    history = train(model, task, progress=False, **LIVE.training | short)
    pairs = zip(task.drawn[::2], task.drawn[1::2], strict=True)
    batches = [[as_lists(one) for one in pair] for pair in pairs]
    found = bare.evaluate(UPDATES, [size, start, batches])
    assert len(history.training_bits) == 20
    assert found["training"] == pytest.approx(history.training_bits, rel=1e-6)
    assert found["validation"] == pytest.approx(history.validation_bits, rel=1e-6)


def test_the_recipe_is_that_of_chapter_6(bare: Page) -> None:
    """What the page trains with is what `recipes.LIVE` says."""
    recipe = bare.evaluate("() => Learning.core.RECIPE")
    names = {"batch": "batch_size", "rate": "learning_rate", "clipNorm": "clip_norm",
             "ramp": "ramp", "average": "average", "goal": "stop_at",
             "validation": "validation_sequences"}  # fmt: skip
    assert {name: recipe[name] for name in names} == {
        name: LIVE.training[theirs] for name, theirs in names.items()
    }
    for name, theirs in {"momentum": "momentum", "smoothing": "smoothing", "epsilon": "epsilon",
                         "clipValue": "clip_value"}.items():  # fmt: skip
        assert recipe[name] == flat(LIVE.settings)[theirs]
    assert recipe["loudness"] == LIVE.input_gain["reads"]


def test_a_run_solves_copy(bare: Page) -> None:
    found = bare.evaluate("() => Learning.run({ seed: 101, size: 'small' })")
    assert found["solved"] and found["bits"] <= 0.1 and found["sequences"] < 20_000
    again = bare.evaluate("() => Learning.run({ seed: 101, size: 'small', most: 1000 })")
    assert not again["solved"] and again["sequences"] == 1008


# ---- The bench on the page

FRONT = "book/intro.html"


def bench(visit: Visit, query: str = "", **options: Any) -> tuple[Page, Locator]:
    """Open the front page, and wait until the untrained machine has answered."""
    page = visit(FRONT + query, **options).page
    place = page.locator("[data-playground=learning]")
    place.scroll_into_view_if_needed()
    expect(place.locator("canvas").first).to_be_visible()
    page.wait_for_function("() => document.querySelector('.pg-run canvas')?.width < 300")
    return page, place


def seen(place: Locator) -> int:
    """Return how many sequences the first machine says that it has seen."""
    found = re.search(r"After ([\d,]+) sequences", place.locator(".pg-words").first.inner_text())
    return int(found[1].replace(",", "")) if found else 0


def goes_on(page: Page, place: Locator, before: int) -> None:
    """Wait until it has seen more than before."""
    for _ in range(100):
        if seen(place) > before:
            return
        page.wait_for_timeout(50)
    raise AssertionError("it learns no more")


def test_a_reader_trains_one_and_asks_it_for_more(visit: Visit) -> None:
    page, place = bench(visit, "?longest=5&seed=101", from_file=True, width=PHONE)
    assert "knows nothing yet" in place.locator(".pg-words").inner_text()
    place.get_by_role("button", name="Start", exact=True).click()
    asked = place.get_by_label("Ask it for more")
    expect(asked).to_be_visible(timeout=240_000)
    assert "Solved." in place.locator(".pg-words").inner_text()
    assert "Solved." in place.locator("[role=status]").inner_text()
    assert "Length 5, as in training: 0 of 40 bits wrong." in place.inner_text()
    assert page.workers, "a page from a disk has a worker too"
    asked.fill("30")
    expect(place.get_by_text("Length 30, 6.0 times the longest in training")).to_be_visible()
    assert place.locator(".pg-line-0").get_attribute("points")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE


def test_a_run_pauses_goes_on_and_starts_over(visit: Visit) -> None:
    page, place = bench(visit)
    place.get_by_role("button", name="Start", exact=True).click()
    place.get_by_text("After").first.wait_for()
    place.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(500)
    before = seen(place)
    page.wait_for_timeout(700)
    assert seen(place) == before
    place.get_by_role("button", name="Start", exact=True).press("Enter")
    goes_on(page, place, before)
    place.locator("input[name=seed]").fill("7")
    place.locator("input[name=seed]").press("Enter")
    expect(place.get_by_text("It knows nothing yet.")).to_be_visible()
    page.wait_for_timeout(250)
    assert "seed=7" in page.url
    assert len(page.workers) == 1, "the run before is gone"


def test_a_hidden_page_does_not_learn(visit: Visit) -> None:
    page, place = bench(visit)
    place.get_by_role("button", name="Start", exact=True).click()
    place.get_by_text("After").first.wait_for()
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    page.wait_for_timeout(500)
    before = seen(place)
    page.wait_for_timeout(700)
    assert seen(place) == before
    page.evaluate(hide, False)
    goes_on(page, place, before)


def test_without_workers_the_page_learns_in_slices(visit: Visit) -> None:
    page, _ = bench(visit)
    page.evaluate("() => { Learning.makeWorker = () => null; }")
    found = page.evaluate("() => Learning.run({ seed: 100, size: 'small', most: 500 })")
    assert found["sequences"] == 512 and 90 < found["bits"] < 100


def test_an_lstm_races_on_the_same_sequences(visit: Visit) -> None:
    page, place = bench(visit, "?race=1")
    expect(place.get_by_text("LSTM, one layer of 64 units")).to_be_visible()
    place.get_by_role("button", name="Start", exact=True).click()
    expect(place.locator(".pg-line-1[points*=',']")).to_be_attached(timeout=60_000)
    drawn = page.evaluate(
        """() => ["ntm", "lstm"].map((kind) => {
          const { core } = Learning, trainer = new core.Trainer({ kind, seed: 5 });
          const training = trainer.update();
          for (let k = 0; k < 3; k++) training.next();
          return Array.from(trainer.episode.inputs);
        })"""
    )
    assert drawn[0] == drawn[1]
    assert not axe_violations(page, "[data-playground=learning]")


def test_a_lost_run_says_so(bare: Page) -> None:
    """Without clipping and at a hundred times the rate a gradient stops being a number."""
    found = bare.evaluate(
        """() => {
          const trainer = new Learning.core.Trainer({ size: "small", seed: 1 });
          trainer.weights.flat[3] = NaN;
          for (const note of trainer.train()) if (trainer.state !== "learning") break;
          return [trainer.state, trainer.averaged.flat.every(Number.isFinite)];
        }"""
    )
    assert found == ["lost", True]
