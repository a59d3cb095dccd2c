"""The five tasks: small cases drawn by hand, every episode rebuilt row by row, statistics."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from ntm_tutorial.tasks import (
    TASKS,
    Episode,
    Task,
    associative_recall,
    copy,
    dynamic_ngrams,
    priority_sort,
    repeat_copy,
)
from ntm_tutorial.tasks.dynamic_ngrams import optimal_predictions
from tests.each import each

Row = list[float]
Rows = list[Row]


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def fix_bits(monkeypatch: pytest.MonkeyPatch, module: Any, bits: Sequence[Any]) -> None:
    """Let a task draw these bits, of shape (..., B, bits) or (T, B)."""
    monkeypatch.setattr(
        module, "random_bits", lambda *shape, generator: torch.tensor(bits).view(shape).float()
    )


def equal(found: Tensor, expected: Sequence[Any], tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=found.dtype), rtol=0, atol=tolerance
    )


A, B, C = [1, 0, 1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 0, 1, 0, 1], [1, 1, 1, 0, 1, 1, 0, 0]
O = [0] * 8  # noqa: E741


class TestDrawnByHand:
    def test_copy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fix_bits(monkeypatch, copy, [A, B])
        inputs, targets, mask = TASKS["copy"].sample(1, length=2)
        equal(inputs[:, 0], [[*A, 0], [*B, 0], [*O, 1], [*O, 0], [*O, 0]])
        equal(targets[:, 0], [O, O, O, A, B])
        assert mask.tolist() == [False, False, False, True, True]

    def test_repeat_copy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fix_bits(monkeypatch, repeat_copy, [A, B])
        inputs, targets, mask = TASKS["repeat-copy"].sample(1, length=2, repeats=2)
        count = (2 - 5.5) / math.sqrt(8.25)
        equal(inputs[:, 0], [[*A, 0, 0], [*B, 0, 0], [*O, 1, count], *[[*O, 0, 0]] * 5])
        equal(targets[:, 0], [*[[*O, 0]] * 3, [*A, 0], [*B, 0], [*A, 0], [*B, 0], [*O, 1]])
        assert mask.tolist() == [False] * 3 + [True] * 5

    def test_associative_recall(self, monkeypatch: pytest.MonkeyPatch) -> None:
        a = [[1, 0, 0, 1, 1, 0], [0, 1, 0, 0, 1, 0], [1, 1, 1, 0, 0, 0]]
        b = [[0, 0, 0, 1, 0, 1], [1, 1, 0, 1, 1, 1], [0, 1, 0, 0, 0, 1]]
        o = [0] * 6
        item, query = [*o, 1, 0], [*o, 0, 1]
        shown = [[[*row, 0, 0] for row in rows] for rows in (a, b)]
        fix_bits(monkeypatch, associative_recall, [a, b])
        inputs, targets, mask = TASKS["associative-recall"].sample(1, items=2)
        listed = [item, *shown[0], item, *shown[1]]
        equal(inputs[:, 0], [*listed, query, *shown[0], query, *[[*o, 0, 0]] * 3])
        equal(targets[:, 0], [o] * 13 + b)
        assert mask.tolist() == [False] * 13 + [True] * 3

    def test_dynamic_ngrams(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A table of certainties: a 1 follows every context that ends with 0 and no other."""
        table = torch.tensor([[1.0, 0.0] * 16])
        monkeypatch.setattr(dynamic_ngrams, "_draw_table", lambda batch_size, generator: table)
        fix_bits(monkeypatch, dynamic_ngrams, [1, 1, 0, 0, 1, 0, 0, 0, 0])
        inputs, targets, mask = TASKS["dynamic-ngrams"].sample(1, length=9)
        equal(inputs[:, 0, 0], [1, 1, 0, 0, 1, 0, 1, 0])
        equal(targets[:, 0, 0], [1, 0, 0, 1, 0, 1, 0, 1])
        assert mask.tolist() == [False] * 4 + [True] * 4

    def test_priority_sort(self, monkeypatch: pytest.MonkeyPatch) -> None:
        draws = torch.tensor([[0.1], [0.95], [0.55]])  # of [0, 1]; priorities lie in [-1, 1]
        fix_bits(monkeypatch, priority_sort, [A, B, C])
        monkeypatch.setattr(torch, "rand", lambda *shape, **options: draws)
        inputs, targets, mask = TASKS["priority-sort"].sample(1, items=3, answers=2)
        rest = [[*O, 0, 1], [*O, 0, 0], [*O, 0, 0]]
        equal(inputs[:, 0], [[*A, -0.8, 0], [*B, 0.9, 0], [*C, 0.1, 0], *rest])
        equal(targets[:, 0], [O, O, O, O, B, C])
        assert mask.tolist() == [False] * 4 + [True] * 2


# Each task once more, for one sequence: from what was drawn, read off the inputs, to all rows.
Sequence_ = tuple[Rows, Rows, list[bool]]


def rebuild_copy(inputs: Rows, length: int) -> Sequence_:
    vectors = [row[:8] for row in inputs[:length]]
    shown = [[*v, 0.0] for v in vectors] + [[0.0] * 8 + [1.0]] + [[0.0] * 9] * length
    return shown, [[0.0] * 8] * (length + 1) + vectors, [False] * (length + 1) + [True] * length


def rebuild_repeat_copy(inputs: Rows, length: int, repeats: int) -> Sequence_:
    vectors, count = [row[:8] for row in inputs[:length]], (repeats - 5.5) / math.sqrt(8.25)
    due = length * repeats + 1
    shown = [[*v, 0.0, 0.0] for v in vectors] + [[0.0] * 8 + [1.0, count]] + [[0.0] * 10] * due
    wanted = [[0.0] * 9] * (length + 1) + [[*v, 0.0] for v in vectors] * repeats
    return shown, [*wanted, [0.0] * 8 + [1.0]], [False] * (length + 1) + [True] * due


def rebuild_associative_recall(inputs: Rows, items: int) -> Sequence_:
    listed = [[row[:6] for row in inputs[4 * k + 1 : 4 * k + 4]] for k in range(items)]
    asked = [row[:6] for row in inputs[4 * items + 1 : 4 * items + 4]]
    shown: Rows = []
    for item in listed:
        shown += [[0.0] * 6 + [1.0, 0.0], *([*row, 0.0, 0.0] for row in item)]
    query = [0.0] * 7 + [1.0]
    shown += [query, *([*row, 0.0, 0.0] for row in asked), query]
    before = len(shown)
    assert asked in listed[:-1], "the last item has no successor"
    answer = listed[listed.index(asked) + 1]
    return shown + [[0.0] * 8] * 3, [[0.0] * 6] * before + answer, [False] * before + [True] * 3


def rebuild_dynamic_ngrams(inputs: Rows, length: int) -> Sequence_:
    """The last target alone cannot be seen in the inputs; the loop that compares leaves it out."""
    bits = inputs[: length - 1]
    return bits, [*bits[1:], [math.nan]], [False] * 4 + [True] * (length - 5)


def rebuild_priority_sort(inputs: Rows, items: int, answers: int) -> Sequence_:
    given = [row[:9] for row in inputs[:items]]
    shown = [[*row, 0.0] for row in given] + [[0.0] * 9 + [1.0]] + [[0.0] * 10] * answers
    ranked = sorted(given, key=lambda row: -row[8])
    wanted = [[0.0] * 8] * (items + 1) + [row[:8] for row in ranked[:answers]]
    return shown, wanted, [False] * (items + 1) + [True] * answers


REBUILD: dict[str, Callable[..., Sequence_]] = {
    "copy": rebuild_copy,
    "repeat-copy": rebuild_repeat_copy,
    "associative-recall": rebuild_associative_recall,
    "dynamic-ngrams": rebuild_dynamic_ngrams,
    "priority-sort": rebuild_priority_sort,
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("copy", {"length": 1}),
    ("copy", {"length": 20}),
    ("copy", {"length": [3, 1, 7, 7, 2]}),
    ("repeat-copy", {"length": 1, "repeats": 1}),
    ("repeat-copy", {"length": 10, "repeats": 20}),
    ("repeat-copy", {"length": [3, 1, 7, 7, 2], "repeats": [4, 9, 1, 2, 2]}),
    ("repeat-copy", {"length": 4, "repeats": [4, 9, 1, 2, 2]}),
    ("associative-recall", {"items": 2}),
    ("associative-recall", {"items": 20}),
    ("associative-recall", {"items": [3, 2, 7, 7, 4]}),
    ("dynamic-ngrams", {"length": 6}),
    ("dynamic-ngrams", {"length": 200}),
    ("dynamic-ngrams", {"length": [30, 6, 50, 50, 20]}),
    ("priority-sort", {"items": 20, "answers": 16}),
    ("priority-sort", {"items": 1, "answers": 1}),
    ("priority-sort", {"items": [3, 2, 7, 7, 4], "answers": [3, 1, 2, 7, 3]}),
]


@each(("name", "difficulty"), CASES)
def test_every_sequence_is_as_it_would_be_alone_then_padded(
    name: str, difficulty: dict[str, Any]
) -> None:
    """Mixed or not: each sequence is rebuilt by itself, from its own difficulty."""
    mixed = {
        key: torch.tensor(value) if isinstance(value, list) else value
        for key, value in difficulty.items()
    }
    episode = TASKS[name].sample(5, generator=seeded(), **mixed)
    steps = len(episode.inputs)
    mask = episode.mask.view(steps, -1).expand(-1, 5)
    longest = 0
    for b in range(5):
        own = {key: np.broadcast_to(value, 5)[b].item() for key, value in difficulty.items()}
        inputs, targets, counted = REBUILD[name](episode.inputs[:, b].tolist(), **own)
        length = len(inputs)
        longest = max(longest, length)
        equal(episode.inputs[:length, b], inputs)
        if name == "dynamic-ngrams":
            targets[-1] = episode.targets[length - 1, b].tolist()
            assert targets[-1] in ([0.0], [1.0])
        equal(episode.targets[:length, b], targets)
        assert mask[:length, b].tolist() == counted
        assert not episode.inputs[length:, b].any()
        assert not episode.targets[length:, b].any()
        assert not mask[length:, b].any()
    assert steps == longest
    unequal = any(len(set(np.ravel(value).tolist())) > 1 for value in difficulty.values())
    assert episode.mask.shape == ((steps, 5) if unequal else (steps,))


def test_mixed_copy_holds_the_sequences_of_unmixed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = [3, 1, 4]
    bits = torch.randint(2, (4, 3, 8), generator=seeded())
    fix_bits(monkeypatch, copy, bits.tolist())
    mixed = TASKS["copy"].sample(3, length=torch.tensor(lengths))
    for b, length in enumerate(lengths):
        fix_bits(monkeypatch, copy, bits[:length, b].tolist())
        alone = TASKS["copy"].sample(1, length=length)
        steps = len(alone.inputs)
        assert mixed.inputs[:steps, b].equal(alone.inputs[:, 0])
        assert mixed.targets[:steps, b].equal(alone.targets[:, 0])
        assert mixed.mask[:steps, b].equal(alone.mask)


all_tasks = each("task", TASKS.values())


class TestEveryTask:
    def test_there_are_the_five_of_the_paper(self) -> None:
        sizes = {name: (task.input_size, task.output_size) for name, task in TASKS.items()}
        assert sizes == {
            "copy": (9, 8),
            "repeat-copy": (10, 9),
            "associative-recall": (8, 6),
            "dynamic-ngrams": (1, 1),
            "priority-sort": (10, 8),
        }
        assert all(task.name == name for name, task in TASKS.items())

    def test_training_ranges(self) -> None:
        assert {name: task.training_range for name, task in TASKS.items()} == {
            "copy": {"length": (1, 20)},
            "repeat-copy": {"length": (1, 10), "repeats": (1, 10)},
            "associative-recall": {"items": (2, 6)},
            "dynamic-ngrams": {"length": (200, 200)},
            "priority-sort": {"items": (20, 20), "answers": (16, 16)},
        }

    @all_tasks
    def test_every_input_channel_has_one_name(self, task: Task) -> None:
        named = [range(task.input_size)[channels] for channels in task.input_channels.values()]
        assert [channel for part in named for channel in part] == list(range(task.input_size))

    @all_tasks
    def test_shapes_and_types(self, task: Task) -> None:
        inputs, targets, mask = task.sample(3, generator=seeded())
        assert inputs.shape[1:] == (3, task.input_size)
        assert targets.shape == (len(inputs), 3, task.output_size)
        assert inputs.dtype == targets.dtype == torch.float32
        assert mask.dtype == torch.bool
        assert ((targets == 0) | (targets == 1)).all()

    @all_tasks
    def test_the_same_seed_gives_the_same_episode(self, task: Task) -> None:
        one, again, other = (task.sample(4, generator=seeded(seed)) for seed in (3, 3, 4))
        assert all(a.equal(b) for a, b in zip(one, again, strict=True))
        assert one.inputs.shape != other.inputs.shape or not one.inputs.equal(other.inputs)

    @all_tasks
    def test_a_generator_leaves_the_global_one_alone(self, task: Task) -> None:
        before = torch.get_rng_state()
        task.sample(4, generator=seeded())
        assert torch.get_rng_state().equal(before)

    @all_tasks
    def test_without_a_generator_the_global_one_decides(self, task: Task) -> None:
        episodes = []
        for _ in range(2):
            torch.manual_seed(5)
            episodes.append(task.sample(2))
        assert all(a.equal(b) for a, b in zip(*episodes, strict=True))

    @all_tasks
    def test_draw_gives_each_value_of_the_training_range(self, task: Task) -> None:
        generator = seeded()
        draws = [task.draw(generator=generator) for _ in range(400)]
        together = task.draw(400, generator)
        for name, (low, high) in task.training_range.items():
            values = together[name]
            assert isinstance(values, Tensor)
            assert {draw[name] for draw in draws} == set(range(low, high + 1))
            assert set(values.tolist()) == set(range(low, high + 1))

    @all_tasks
    @each("share", [0.0, 0.5, 1.0])
    def test_a_share_of_the_range_is_its_easy_end(self, task: Task, share: float) -> None:
        for name, values in task.draw(400, seeded(), share).items():
            low, high = task.training_range[name]
            assert isinstance(values, Tensor)
            assert values.min() == low
            assert values.max() == low + round(share * (high - low))

    @all_tasks
    def test_sample_takes_what_draw_gives(self, task: Task) -> None:
        for batch_size in (None, 3):
            drawn = task.draw(batch_size, seeded(1))
            episode = task.sample(3, generator=seeded(), **drawn)
            assert episode.inputs.shape[1] == 3

    @all_tasks
    def test_difficulty_left_out_is_drawn_from_the_training_range(self, task: Task) -> None:
        mask = task.sample(2000, generator=seeded()).mask
        counted = set(mask.view(len(mask), -1).sum(0).tolist())
        ranges = [range(low, high + 1) for low, high in task.training_range.values()]
        assert (
            counted
            == {
                "copy": set(range(1, 21)),
                "repeat-copy": {a * b + 1 for a in ranges[0] for b in ranges[-1]},
                "associative-recall": {3},
                "dynamic-ngrams": {195},
                "priority-sort": {16},
            }[task.name]
        )

    @all_tasks
    def test_it_moves_to_a_device(self, task: Task) -> None:
        episode = task.sample(2, generator=seeded()).to("meta")
        assert isinstance(episode, Episode)
        assert all(tensor.device.type == "meta" for tensor in episode)
        exact = task.sample(2, generator=seeded()).to("cpu", torch.float64)
        assert [tensor.dtype for tensor in exact] == [torch.float64] * 2 + [torch.bool]

    @all_tasks
    def test_an_episode_says_how_hard_it_is(self, task: Task) -> None:
        drawn = task.draw(3, seeded(4))
        difficulty = task.sample(3, generator=seeded(), **drawn).to("cpu").difficulty
        assert difficulty is not None
        for name, value in drawn.items():
            assert isinstance(value, Tensor)
            assert value.equal(torch.as_tensor(difficulty[name]))
        same = task.draw(generator=seeded(1))
        episode = task.sample(3, generator=seeded(), **same)
        assert {name: episode.one(name) for name in same} == same
        with pytest.raises(ValueError, match=r"^name: expected a difficulty of the .* got 'age'"):
            episode.one("age")
        inputs, targets, mask = task.sample(1)
        assert Episode(inputs, targets, mask).difficulty is None

    @all_tasks
    @pytest.mark.bad_input  # whole numbers that are no int
    def test_small_whole_numbers_do_not_overflow(self, task: Task) -> None:
        hard = {name: 100 if name == "length" else 20 for name in task.training_range}
        expected = task.sample(2, generator=seeded(), **hard)
        for kind in (np.int8, np.uint8, lambda n: torch.tensor(n, dtype=torch.int8),
                     lambda n: torch.tensor([n, n], dtype=torch.uint8)):  # fmt: skip
            small = {name: kind(number) for name, number in hard.items()}
            found = task.sample(np.int8(2), generator=seeded(), **small)
            assert all(a.equal(b) for a, b in zip(found, expected, strict=True))

    @all_tasks
    def test_one_type_of_numbers_whatever_the_default(self, task: Task) -> None:
        expected = task.sample(2, generator=seeded())
        try:
            torch.set_default_dtype(torch.float64)
            found = task.sample(2, generator=seeded())
        finally:
            torch.set_default_dtype(torch.float32)
        assert found.inputs.dtype == found.targets.dtype == torch.float64
        assert found.targets.equal(expected.targets.double())
        torch.testing.assert_close(found.inputs, expected.inputs.double(), rtol=0, atol=1e-6)


class TestStatistics:
    """Each bound is at least four standard errors."""

    @each("name", ["copy", "repeat-copy", "associative-recall", "priority-sort"])
    def test_bits_are_fair_and_independent(self, name: str) -> None:
        episode = TASKS[name].sample(4000, generator=seeded())
        bits = TASKS[name].bits  # type: ignore[attr-defined]
        rows = (
            episode.inputs[1, :, :bits]
            if name == "associative-recall"
            else episode.inputs[0, :, :bits]
        )
        n = len(rows)
        assert (rows.mean(0) - 0.5).abs().max() < 4.5 * 0.5 / math.sqrt(n)
        products = (rows - 0.5).T @ (rows - 0.5) / n
        products.fill_diagonal_(0)
        assert products.abs().max() < 4.5 * 0.25 / math.sqrt(n)

    def test_copy_lengths_are_uniform(self) -> None:
        mask = TASKS["copy"].sample(20_000, generator=seeded()).mask
        counts = torch.bincount(mask.sum(0), minlength=21)[1:]
        assert (counts - 1000).abs().max() < 4.5 * math.sqrt(1000)

    def test_any_item_but_the_last_is_queried_equally_often(self) -> None:
        inputs = TASKS["associative-recall"].sample(8000, generator=seeded(), items=5).inputs
        asked = inputs[21:24, :, :6]
        places = torch.stack(
            [(inputs[4 * k + 1 : 4 * k + 4, :, :6] == asked).all(2).all(0) for k in range(5)]
        )
        counts = places.sum(1)
        assert (counts[:4] - 2000).abs().max() < 5 * math.sqrt(2000)
        assert counts[4] < 10, "only by chance, as two items agree once in 2**18"

    def test_a_query_can_be_chosen(self) -> None:
        inputs, targets, mask = TASKS["associative-recall"].sample(
            3, generator=seeded(), items=4, query=torch.tensor([0, 2, 1])
        )
        for b, k in enumerate((0, 2, 1)):
            assert inputs[17:20, b].equal(inputs[4 * k + 1 : 4 * k + 4, b])
            assert targets[mask][:, b].equal(inputs[4 * k + 5 : 4 * k + 8, b, :6])

    def test_priorities_are_uniform_from_minus_1_to_1(self) -> None:
        priorities = (
            TASKS["priority-sort"].sample(1000, generator=seeded()).inputs[:20, :, 8].flatten()
        )
        expected = torch.linspace(-1, 1, len(priorities))
        assert (priorities.sort().values - expected).abs().max() < 2 * 2 / math.sqrt(
            len(priorities)
        )

    def test_repeat_counts_have_mean_0_and_variance_1(self) -> None:
        task = TASKS["repeat-copy"]
        counts = [
            task.sample(1, generator=seeded(), length=1, repeats=repeats).inputs[1, 0, 9].item()
            for repeats in range(1, 11)
        ]
        assert np.mean(counts) == pytest.approx(0, abs=1e-6)
        assert np.var(counts) == pytest.approx(1, abs=1e-6)

    def test_tables_follow_the_beta_distribution(self) -> None:
        """Kolmogorov and Smirnov's distance from Beta(1/2, 1/2), whose law is an arcsine."""
        table = dynamic_ngrams._draw_table(2000, seeded())
        assert table.shape == (2000, 32)
        values = np.sort(table.double().numpy().ravel())
        law = 2 / np.pi * np.arcsin(np.sqrt(values))
        assert np.abs(law - np.linspace(0, 1, len(law))).max() < 2 / math.sqrt(len(law))
        one_context, another = table[:, 0] - 0.5, table[:, 1] - 0.5
        assert (one_context * another).mean().abs() < 4.5 * 0.125 / math.sqrt(2000)

    def test_bits_follow_their_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        table = torch.linspace(0.05, 0.95, 32)[torch.randperm(32, generator=seeded(1))]
        monkeypatch.setattr(
            dynamic_ngrams, "_draw_table", lambda size, generator: table.expand(size, -1)
        )
        episode = TASKS["dynamic-ngrams"].sample(1000, generator=seeded())
        bits = torch.cat([episode.inputs[:1, :, 0], episode.targets[..., 0]]).long()
        assert bits[:5].double().mean().item() == pytest.approx(
            0.5, abs=4.5 * 0.5 / math.sqrt(5000)
        )
        context = sum(bits[k : k + 195] * 2 ** (4 - k) for k in range(5))
        assert isinstance(context, Tensor)
        for number in range(32):
            following = bits[5:][context == number].double()
            p = table[number].item()
            error = math.sqrt(p * (1 - p) / len(following))
            assert following.mean().item() == pytest.approx(p, abs=4.5 * error)


class TestOptimalPredictions:
    @each("dtype", [torch.float64, torch.float32, torch.int64])
    def test_against_counting(self, dtype: torch.dtype) -> None:
        bits = torch.randint(2, (200, 5), generator=seeded())
        predictions = optimal_predictions(bits.to(dtype))
        assert predictions.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        for b, sequence in enumerate(bits.T.tolist()):
            for t in range(200):
                expected = 0.5
                if t >= 4:
                    context = sequence[t - 4 : t + 1]
                    followers = [
                        sequence[k] for k in range(5, t + 1) if sequence[k - 5 : k] == context
                    ]
                    expected = (sum(followers) + 0.5) / (len(followers) + 1)
                tolerance = 1e-9 if dtype == torch.float64 else 1e-6
                assert predictions[t, b].item() == pytest.approx(expected, abs=tolerance)

    def test_by_hand(self) -> None:
        predictions = optimal_predictions(torch.zeros(8, 1))
        equal(predictions[:, 0], [0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.5 / 3, 0.125])

    @each("steps", [1, 4, 5])
    def test_few_bits(self, steps: int) -> None:
        equal(optimal_predictions(torch.ones(steps, 1))[:, 0], [0.5] * steps)

    def test_they_see_no_future(self) -> None:
        bits = torch.randint(2, (60, 4), generator=seeded()).float()
        whole = optimal_predictions(bits)
        for t in (1, 5, 6, 30, 59):
            assert optimal_predictions(bits[:t]).equal(whole[:t])

    def test_their_cost_is_that_of_the_paper(self) -> None:
        """PAPER.md, simulated: 127.98 with a standard error of 0.25, on bits 6 to 200."""
        inputs, targets, mask = TASKS["dynamic-ngrams"].sample(20_000, generator=seeded())
        predictions = optimal_predictions(inputs[..., 0]).double()
        chosen = torch.where(targets[..., 0] > 0.5, predictions, 1 - predictions)
        costs = -chosen.log2()[mask].sum(0)
        error = math.hypot(costs.std().item() / math.sqrt(20_000), 0.25)
        assert costs.mean().item() == pytest.approx(127.98, abs=3 * error)
        assert (-chosen.log2().sum(0) - costs).tolist() == pytest.approx([4.0] * 20_000)


@pytest.mark.bad_input
class TestBadInput:
    @all_tasks
    @each("value", [0, -1, 2.5, "3", None])
    def test_batch_size(self, task: Task, value: Any) -> None:
        with pytest.raises(ValueError, match=f"^batch_size: expected .*at least 1, got {value!r}"):
            task.sample(value)

    @each(("task", "name"), [(t, n) for t in TASKS.values() for n in t.training_range])
    @each(
        ("value", "message"),
        [
            (0, "at least 1, got 0"),
            (-3, "at least 1, got -3"),
            (2.5, "a whole number, got 2.5"),
            (True, "a whole number, got True"),
            ("3", "a whole number, got '3'"),
            (torch.tensor([3, 0]), "at least 1, got"),
            (torch.tensor([3, 3, 3]), r"one number or 2 of them, got \(3,\)"),
            (torch.tensor([]), "a whole number, got"),
            (torch.tensor([2.0, 3.0]), "a whole number, got"),
        ],
    )
    def test_difficulty(self, task: Task, name: str, value: Any, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{name}: expected {message}"):
            task.sample(2, **{name: value})

    @each("share", [5.0, -0.1, math.nan, "1", True])
    def test_a_share_that_is_none(self, share: Any) -> None:
        with pytest.raises(ValueError, match=r"^share: expected a number from 0 to 1, got"):
            TASKS["copy"].draw(share=share)

    def test_too_few_items_to_recall(self) -> None:
        with pytest.raises(ValueError, match=r"^items: expected at least 2, got 1"):
            TASKS["associative-recall"].sample(2, items=1)

    @each("query", [-1, 3, 4, torch.tensor([0, 3])])
    def test_a_query_without_a_successor(self, query: Any) -> None:
        with pytest.raises(ValueError, match=r"^query: expected 0 to items - 2, got"):
            TASKS["associative-recall"].sample(2, items=4, query=query)

    @each("query", [0.5, "0", torch.tensor([0, 1, 2])])
    def test_a_query_that_is_no_index(self, query: Any) -> None:
        with pytest.raises(ValueError, match=r"^query: expected"):
            TASKS["associative-recall"].sample(2, items=4, query=query)

    def test_a_sequence_no_longer_than_its_context(self) -> None:
        with pytest.raises(ValueError, match=r"^length: expected more than 5 bits, got 5"):
            TASKS["dynamic-ngrams"].sample(2, length=5)

    @each(
        ("difficulty", "message"),
        [
            ({"items": 5, "answers": 6}, "items = 5, got 6"),
            ({"items": 6}, "items = 6, got 16"),
            ({"items": torch.tensor([9, 4]), "answers": torch.tensor([9, 5])}, "items = 4, got 5"),
        ],
    )
    def test_more_answers_than_items(self, difficulty: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=f"^answers: expected at most {message}"):
            TASKS["priority-sort"].sample(2, **difficulty)

    @each("bits", [torch.zeros(5), torch.zeros(5, 2, 1), torch.full((5, 2), 0.5)])
    def test_bits(self, bits: Tensor) -> None:
        with pytest.raises(
            ValueError, match=r"^bits: expected zeros and ones, shape \(T, B\), got"
        ):
            optimal_predictions(bits)
