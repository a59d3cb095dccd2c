"""Scores computed by hand; the seeds of testing are used by nothing else."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ntm_tutorial import evaluation
from ntm_tutorial.evaluation import (
    SEEDS,
    Evaluation,
    bits_per_sequence,
    divergence,
    evaluate,
    free_run,
    grid,
    sweep,
    training_map,
    wrong,
    wrong_bits,
)
from ntm_tutorial.tasks import TASKS, Episode

COPY = TASKS["copy"]


class Constant(nn.Module):
    """Always answers with the same logit."""

    def __init__(self, logit: float, output_size: int = 8) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))
        self.output_size = output_size

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        return self.logit.expand(*inputs.shape[:2], self.output_size), None


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


@pytest.fixture
def episode() -> Episode:
    """Return three steps of two sequences with two outputs; the first step does not count."""
    targets = torch.tensor(
        [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]]
    )
    return Episode(torch.zeros(3, 2, 1), targets, torch.tensor([False, True, True]))


@pytest.fixture
def logits() -> Tensor:
    odd, even = logit(0.75), logit(0.25)
    return torch.tensor(
        [[[-99.0, -99.0], [-99.0, -99.0]], [[odd, odd], [0.0, 0.0]], [[even, odd], [99.0, 99.0]]]
    )


class TestByHand:
    def test_bits(self, logits: Tensor, episode: Episode) -> None:
        likely, unlikely = -math.log2(0.75), -math.log2(0.25)
        expected = [2 * likely + 2 * unlikely, 2 + 99 / math.log(2)]
        assert bits_per_sequence(logits, episode).tolist() == pytest.approx(expected, rel=1e-5)

    def test_wrong_bits(self, logits: Tensor, episode: Episode) -> None:
        assert wrong_bits(logits, episode).tolist() == [2, 1]

    def test_a_mask_for_each_sequence(self, logits: Tensor, episode: Episode) -> None:
        mask = torch.tensor([[False, False], [True, False], [False, True]])
        mixed = episode._replace(mask=mask)
        expected = [-math.log2(0.75) - math.log2(0.25), 99 / math.log(2)]
        assert bits_per_sequence(logits, mixed).tolist() == pytest.approx(expected, rel=1e-5)
        assert wrong_bits(logits, mixed).tolist() == [1, 1]

    def test_a_logit_of_zero_says_0(self, episode: Episode) -> None:
        ones = episode.targets[1:].sum((0, 2)).tolist()
        assert wrong_bits(torch.zeros(3, 2, 2), episode).tolist() == ones

    def test_perfect_and_hopeless(self, episode: Episode) -> None:
        sure = 1e4 * (2 * episode.targets - 1)
        assert bits_per_sequence(sure, episode).tolist() == [0, 0]
        assert wrong_bits(sure, episode).tolist() == [0, 0]
        assert wrong_bits(-sure, episode).tolist() == [4, 4]
        assert bits_per_sequence(-sure, episode).isfinite().all()

    def test_certainty(self, episode: Episode) -> None:
        """An infinite logit costs nothing if it is right, and all if it is wrong."""
        sure = math.inf * (2 * episode.targets - 1)
        assert bits_per_sequence(sure, episode).tolist() == [0, 0]
        assert wrong_bits(sure, episode).tolist() == [0, 0]
        sure[1, 1, 0] *= -1
        assert bits_per_sequence(sure, episode).tolist() == [0, math.inf]
        assert wrong_bits(sure, episode).tolist() == [0, 1]
        certain = divergence(
            torch.tensor([math.inf, -math.inf, math.inf]), torch.tensor([1, 0, 0.5])
        )
        assert certain.tolist() == [0, 0, math.inf]

    def test_where_bits_are_wrong(self, logits: Tensor, episode: Episode) -> None:
        expected = [[[False] * 2] * 2, [[False, True], [False] * 2], [[True, False], [True, False]]]
        assert wrong(logits, episode).tolist() == expected

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_types(self, dtype: torch.dtype, logits: Tensor, episode: Episode) -> None:
        """Half precision would round the sum."""
        many = Episode(*(part.repeat_interleave(500, 0) for part in episode))
        rough = logits.repeat_interleave(500, 0).to(dtype)
        double = Episode(many.inputs, many.targets.double(), many.mask)
        expected = bits_per_sequence(rough.double(), double)
        alike = Episode(many.inputs, many.targets.to(dtype), many.mask)
        assert bits_per_sequence(rough, alike).tolist() == pytest.approx(
            expected.tolist(), rel=1e-5
        )

    def test_summaries(self) -> None:
        result = Evaluation(
            torch.tensor([1.0, 2.0, 6.0, 9.0]), torch.tensor([0, 0, 2, 5]), torch.tensor([8] * 4)
        )
        assert result.mean_bits == 4.5
        assert result.mean_wrong == 1.75
        assert result.median_wrong == 1.0
        assert result.share_perfect == 0.5
        assert result.share_wrong == 7 / 32


class Knows(nn.Module):
    """Answers copy right up to a length, and beyond it with zeros."""

    def __init__(self, length: int, share: float = 0.0) -> None:
        super().__init__()
        self.length, self.share = length, share
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        length = len(inputs) // 2
        answer = torch.full((*inputs.shape[:2], 8), -9.0)
        right = inputs.shape[1] if length <= self.length else round(self.share * inputs.shape[1])
        answer[length + 1 :, :right] = 9 * (2 * inputs[:length, :right, :8] - 1)
        return answer, None


class TestTrainingMap:
    def test_every_cell_has_its_own_evaluation(self) -> None:
        found = training_map(Constant(0.0, 9), TASKS["repeat-copy"], sequences=2, seed=3)
        assert list(found) == list(itertools.product(range(1, 11), range(1, 11)))
        for (length, repeats), result in found.items():
            assert result.asked.tolist() == [(length * repeats + 1) * 9] * 2
        alone = evaluate(
            Constant(0.0, 9), TASKS["repeat-copy"], sequences=2, seed=3, length=7, repeats=2
        )
        assert found[7, 2].wrong.equal(alone.wrong)

    @pytest.mark.parametrize(
        ("model", "share", "worst"),
        [(Knows(20), 1.0, 1), (Knows(18, 0.99), 0.99, 19), (Knows(12, 0.98), 0.98, 13)],
    )
    def test_solved_asks_every_cell(self, model: Knows, share: float, worst: int) -> None:
        found = training_map(model, COPY, sequences=100)
        assert found.share_perfect == pytest.approx(share)
        assert found.worst == (worst,)
        assert found.solved == (share >= 0.99)


class TestDivergence:
    @pytest.mark.parametrize(
        ("model", "right", "bits"),
        [
            (0.25, 0.5, 0.5 * math.log2(2) + 0.5 * math.log2(2 / 3)),
            (0.75, 0.5, 0.5 * math.log2(2) + 0.5 * math.log2(2 / 3)),
            (0.5, 0.25, 1 - 0.25 * 2 - 0.75 * math.log2(4 / 3)),
            (0.5, 1.0, 1.0),
            (0.5, 0.0, 1.0),
            (0.125, 1.0, 3.0),
        ],
    )
    def test_by_hand(self, model: float, right: float, bits: float) -> None:
        found = divergence(torch.tensor([logit(model)]), torch.tensor([right]))
        assert found.tolist() == pytest.approx([bits], abs=1e-6)

    def test_it_is_zero_for_the_right_probability_and_never_below(self) -> None:
        p = torch.linspace(0.001, 0.999, 101)
        table = divergence(p.logit().expand(101, 101), p.unsqueeze(1).expand(101, 101))
        assert table.diagonal().max() < 1e-6
        assert table.min() >= 0
        assert (table.fill_diagonal_(1) > 0).all()

    def test_it_is_the_mean_of_the_extra_cost(self) -> None:
        """Bits drawn from the right probabilities cost that much more, in the long run."""
        right = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
        model = (right.logit() + 1).reshape(1, -1, 1)
        drawn = torch.rand(20_000, generator=torch.Generator().manual_seed(1)) < right
        episode = Episode(
            torch.zeros(1, 20_000, 1), drawn.float().reshape(1, -1, 1), torch.tensor([True])
        )
        extra = bits_per_sequence(model, episode) - bits_per_sequence(
            right.logit().reshape(1, -1, 1), episode
        )
        error = extra.std().item() / math.sqrt(20_000)
        expected = divergence(model[0, :, 0], right).mean().item()
        assert extra.mean().item() == pytest.approx(expected, abs=4 * error)

    def test_extremes_are_finite(self) -> None:
        found = divergence(torch.tensor([1e4, -1e4]), torch.tensor([0.5, 0.5]))
        assert found.isfinite().all()


class TestEvaluate:
    @pytest.mark.parametrize(
        ("name", "difficulty", "asked"),
        [
            ("copy", {"length": 7}, 56),
            ("repeat-copy", {"length": 3, "repeats": 4}, (3 * 4 + 1) * 9),
            ("repeat-copy", {"length": 10, "repeats": 20}, 1809),
            ("associative-recall", {"items": 6}, 18),
            ("dynamic-ngrams", {"length": 200}, 195),
            ("priority-sort", {}, 128),
        ],
    )
    def test_knowing_nothing_costs_a_bit_for_each_bit_asked(
        self, name: str, difficulty: dict[str, int], asked: int
    ) -> None:
        task = TASKS[name]
        result = evaluate(Constant(0.0, task.output_size), task, sequences=7, **difficulty)
        assert result.asked.tolist() == [asked] * 7
        assert result.bits.tolist() == pytest.approx([asked] * 7, rel=1e-5)

    def test_with_mixed_difficulty(self) -> None:
        result = evaluate(Constant(0.0), COPY, sequences=60)
        assert len(result.asked.unique()) > 5
        assert result.bits.tolist() == pytest.approx(result.asked.tolist(), rel=1e-5)

    @pytest.mark.parametrize(("sequences", "batch_size"), [(1, 50), (7, 3), (6, 3), (5, 50)])
    def test_as_many_sequences_as_asked_for(self, sequences: int, batch_size: int) -> None:
        result = evaluate(Constant(0.0), COPY, sequences=sequences, batch_size=batch_size, length=3)
        assert result.bits.shape == result.wrong.shape == result.asked.shape == (sequences,)
        assert not result.bits.requires_grad

    def test_two_models_see_the_same_sequences(self) -> None:
        ones, zeros, other = (
            evaluate(Constant(sign), COPY, sequences=20, seed=seed, length=9).wrong
            for sign, seed in ((1.0, 3), (-1.0, 3), (1.0, 4))
        )
        assert (ones + zeros).tolist() == [72] * 20
        assert not ones.equal(other)

    def test_it_leaves_model_and_random_state_alone(self) -> None:
        model, before = Constant(0.5), torch.get_rng_state()
        evaluate(model, COPY, sequences=3, length=3)
        assert model.logit.item() == 0.5
        assert model.logit.grad is None
        assert torch.get_rng_state().equal(before)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
    def test_a_model_of_another_type(self, dtype: torch.dtype) -> None:
        model = nn.LSTM(9, 8).to(dtype)
        assert evaluate(model, COPY, sequences=3, length=3).bits.isfinite().all()

    def test_it_evaluates_and_leaves_every_mode_as_it_was(self) -> None:
        dropout, model = nn.Dropout(0.5), Constant(0.5)
        model.add_module("dropout", dropout)
        model.forward = lambda inputs: (dropout(torch.ones(*inputs.shape[:2], 8)), None)  # type: ignore[method-assign]
        for mode in (True, False):
            model.train(not mode)
            dropout.train(mode)
            result = evaluate(model, COPY, sequences=3, length=3)
            assert result.bits.unique().numel() > 0
            assert (model.training, dropout.training) == (not mode, mode)
        ones = evaluate(Constant(1.0), COPY, sequences=3, length=3)
        assert ones.bits.equal(result.bits), "nothing was dropped"

    @pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, torch.tensor])
    def test_whole_numbers_of_other_kinds(self, kind: Any) -> None:
        result = evaluate(
            Constant(0.0), COPY, sequences=kind(3), seed=kind(4), batch_size=kind(2),
            length=kind(100),
        )  # fmt: skip
        assert result.asked.tolist() == [800] * 3
        task = TASKS["repeat-copy"]
        rows, columns = ("length", [kind(20)]), ("repeats", [kind(20), kind(1)])
        found = grid(Constant(0.0, 9), task, rows, columns, sequences=kind(1))
        assert [one.asked.item() for one in found.values()] == [401 * 9, 21 * 9]

    def test_sweep(self) -> None:
        results = sweep(Constant(0.0), COPY, "length", range(2, 8, 2), sequences=5, seed=3)
        assert {length: result.asked.tolist() for length, result in results.items()} == {
            length: [8 * length] * 5 for length in (2, 4, 6)
        }
        alone = evaluate(Constant(0.0), COPY, sequences=5, seed=3, length=4)
        assert results[4].wrong.equal(alone.wrong)

    def test_a_difficulty_for_each_sequence(self) -> None:
        lengths = torch.tensor([3, 1, 4, 1, 5])
        result = evaluate(Constant(0.0), COPY, sequences=5, batch_size=2, length=lengths)
        assert result.asked.tolist() == (8 * lengths).tolist()

    def test_grid(self) -> None:
        task = TASKS["repeat-copy"]
        results = grid(
            Constant(0.0, 9), task, ("length", (1, 3)), ("repeats", [2, 4, 5]), sequences=2, seed=3
        )
        assert {pair: result.asked.tolist() for pair, result in results.items()} == {
            (length, repeats): [9 * (length * repeats + 1)] * 2
            for length in (1, 3)
            for repeats in (2, 4, 5)
        }
        for result in results.values():
            assert result.bits.tolist() == pytest.approx(result.asked.tolist(), rel=1e-5)
        again = grid(Constant(0.0, 9), task, ("length", [3]), ("repeats", [2, 4, 5]), sequences=2,
                     seed=3)  # fmt: skip
        assert again[3, 4].wrong.equal(results[3, 4].wrong)
        other = grid(Constant(0.0, 9), task, ("length", [3]), ("repeats", [2, 4, 5]), sequences=2,
                     seed=4)  # fmt: skip
        assert not other[3, 4].wrong.equal(results[3, 4].wrong)


def test_seeds_of_training_validation_and_testing_never_meet() -> None:
    """Even in their lowest 32 bits, which are all that PyTorch's generator looks at."""
    one, other = (torch.Generator().manual_seed(seed) for seed in (5, 2**32 + 5))
    same = torch.rand(9, generator=one).equal(torch.rand(9, generator=other))
    assert same, "PyTorch now looks at more bits: evaluation.SEEDS can grow"
    first, last, test = 0, SEEDS - 1, evaluation.testing_seed
    ranges = [(first, last), (SEEDS + first, SEEDS + last), (test(first), test(last))]
    for (_, before), (after, _) in itertools.pairwise(ranges):
        assert before < after
    assert ranges[-1][1] < 2**32


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("function", [bits_per_sequence, wrong_bits])
    @pytest.mark.parametrize("shape", [(3, 2, 1), (2, 2, 2), (3, 2), (1, 2, 2)])
    def test_logits(self, function: Any, shape: tuple[int, ...], episode: Episode) -> None:
        with pytest.raises(ValueError, match=r"^logits: .*\(3, 2, 2\), got \("):
            function(torch.zeros(shape), episode)

    def test_divergence(self) -> None:
        with pytest.raises(ValueError, match=r"^logits: expected .* shape \(2,\), got \(3,\)"):
            divergence(torch.zeros(3), torch.zeros(2))
        with pytest.raises(ValueError, match=r"^probabilities: expected numbers from 0 to 1"):
            divergence(torch.zeros(1), torch.tensor([1.5]))

    @pytest.mark.parametrize("name", ["sequences", "batch_size"])
    @pytest.mark.parametrize("value", [0, -1, 2.5])
    def test_numbers(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f"^{name}: .*at least 1, got {value}"):
            evaluate(Constant(0.0), COPY, **{name: value})

    @pytest.mark.parametrize("seed", [-1, evaluation.SEEDS, 0.5, "1"])
    def test_seed(self, seed: Any) -> None:
        with pytest.raises(ValueError, match=f"^seed: .* from 0 to {SEEDS - 1}, got {seed!r}"):
            evaluate(Constant(0.0), COPY, seed=seed)

    def test_logits_that_are_not_numbers(self, logits: Tensor, episode: Episode) -> None:
        logits[0] = math.nan  # nothing is asked there
        assert wrong_bits(logits, episode).tolist() == [2, 1]
        logits[1, 0, 0] = math.nan
        for function in (bits_per_sequence, wrong_bits, wrong):
            with pytest.raises(ValueError, match=r"^logits: expected numbers .*, got NaN"):
                function(logits, episode)
        with pytest.raises(ValueError, match=r"^logits: expected numbers, got NaN"):
            divergence(torch.tensor([math.nan]), torch.zeros(1))
        with pytest.raises(ValueError, match=r"^logits: expected numbers .*, got NaN"):
            evaluate(Constant(math.nan), COPY)

    @pytest.mark.parametrize("model", [nn.Identity(), nn.Linear(9, 8)])
    def test_a_model_of_another_kind(self, model: nn.Module) -> None:
        with pytest.raises(ValueError, match=r"^model: .* \(logits, state\), .*, got Tensor"):
            evaluate(model, COPY)
        with pytest.raises(ValueError, match=r"^model: expected one with initial_state and step"):
            free_run(model, COPY.sample(1, length=2), heard=slice(0, 8))

    def test_difficulty(self) -> None:
        with pytest.raises(ValueError, match=r"^length: expected at least 1, got 0"):
            evaluate(Constant(0.0), COPY, length=0)
        with pytest.raises(ValueError, match=r"^length: expected one number or 3 of them, got"):
            evaluate(Constant(0.0), COPY, sequences=3, length=torch.tensor([1, 2, 3, 4]))

    def test_grid(self) -> None:
        with pytest.raises(ValueError, match=r"^sequences: expected a whole number of at least 1"):
            grid(
                Constant(0.0), TASKS["repeat-copy"], ("length", [1]), ("repeats", [1]), sequences=0
            )
        with pytest.raises(ValueError, match=r"^rows, columns: expected two of \['length'\], got"):
            grid(Constant(0.0), COPY, ("length", [1]), ("length", [2]))
