"""Priority sort: given vectors, rows in their place, fits; and what the trained models reach."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ntm_tutorial import evaluate, pretrained, wrong_bits
from ntm_tutorial.analysis import fit_heads, fit_writes, right_rows, unroll
from ntm_tutorial.evaluation import Evaluation
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.tasks import TASKS, Episode
from ntm_tutorial.tasks.priority_sort import arrange
from tests.each import each

TASK = TASKS["priority-sort"]


def drawn(batch_size: int = 3, **difficulty: int) -> Episode:
    return TASK.sample(batch_size, generator=torch.Generator().manual_seed(0), **difficulty)


def weighting(locations: list[list[int]], count: int) -> Tensor:
    """Build the weighting (T, 1, H, N) of heads that are wholly on these locations, (T, H)."""
    return one_hot(torch.tensor(locations), count).float()[:, None]


def test_targets_are_whole_rows_in_the_order_of_their_priorities() -> None:
    episode = drawn(50)
    for b in range(50):
        given = episode.inputs[:20, b]
        rows = sorted(given.tolist(), key=lambda row: -row[8])[:16]
        assert episode.targets[21:, b].tolist() == [row[:8] for row in rows]
    assert not episode.targets[:21].any()


class TestArrange:
    @each(("items", "answers"), [(20, 16), (5, 5), (1, 1)])
    def test_given_what_was_drawn_it_makes_the_same_episode(self, items: int, answers: int) -> None:
        wanted = drawn(items=items, answers=answers)
        found = arrange(wanted.inputs[:items, :, :8], wanted.inputs[:items, :, 8], answers)
        for one, other in zip(found, wanted, strict=True):
            assert one.equal(other)

    def test_of_two_that_tie_the_earlier_goes_first(self) -> None:
        vectors = torch.eye(8)[:4, None]
        episode = arrange(vectors, torch.tensor([0.5, -1.0, 0.5, 1.0])[:, None], 4)
        assert episode.targets[5:, 0].argmax(-1).tolist() == [3, 0, 2, 1]

    @pytest.mark.bad_input
    @each(
        ("vectors", "priorities", "answers", "message"),
        [
            ((4, 2, 7), (4, 2), 1, r"^vectors: expected shape \(L, B, 8\), got \(4, 2, 7\)"),
            ((0, 2, 8), (0, 2), 1, r"^vectors: expected"),
            ((4, 2, 8), (4, 1), 1, r"^priorities: expected .* of shape \(4, 2\), got shape \(4, 1"),
            ((4, 2, 8), (4, 2), 0, r"^answers: expected .* from 1 to 4, got 0"),
            ((4, 2, 8), (4, 2), 5, r"^answers: expected .* from 1 to 4, got 5"),
            ((4, 2, 8), (4, 2), 1.5, r"^answers: expected a whole number .*, got 1.5"),
        ],
    )
    def test_refused(
        self, vectors: tuple[int], priorities: tuple[int], answers: Any, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            arrange(torch.zeros(vectors), torch.zeros(priorities), answers)

    @each("value", [1.01, -2.0, torch.nan])
    def test_priorities_are_from_minus_one_to_one(self, value: float) -> None:
        with pytest.raises(ValueError, match=r"^priorities: expected numbers from -1 to 1"):
            arrange(torch.zeros(2, 1, 8), torch.tensor([[0.0], [value]]), 1)


class TestRightRows:
    def test_a_row_is_right_with_all_its_bits(self) -> None:
        episode = drawn(2)
        logits = 10 * (2 * episode.targets - 1)
        assert right_rows(logits, episode).shape == (16, 2)
        assert right_rows(logits, episode).all()
        logits[21, 0, 3] *= -1
        logits[36, 1, [0, 7]] *= -1
        logits[:21] = 99  # steps that do not count
        assert (~right_rows(logits, episode)).nonzero().tolist() == [[0, 0], [15, 1]]
        assert wrong_bits(logits, episode).tolist() == [1, 2]

    @pytest.mark.bad_input
    def test_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^logits: expected .*\(37, 3, 8\), got \(37, 3, 9\)"):
            right_rows(torch.zeros(37, 3, 9), drawn())
        mixed = TASK.sample(2, items=torch.tensor([3, 4]), answers=2)
        with pytest.raises(ValueError, match=r"^episode: expected the same items for all"):
            right_rows(torch.zeros(mixed.targets.shape), mixed)


class TestFits:
    def test_a_line_is_found_round_the_end_of_the_ring(self) -> None:
        x = torch.tensor([-1.0, 0.5, 0.0, -0.5])[:, None]
        found = fit_heads(weighting([[8], [1], [0], [9]], 10), x)  # 8, 11, 10, 9 on the way round
        assert [(fit.head, fit.locations[:, 0].tolist()) for fit in found] == [(0, [8, 11, 10, 9])]
        assert (found[0].slope, found[0].intercept) == pytest.approx((2, 10))
        assert found[0].r_squared == pytest.approx(1)

    def test_it_is_least_squares_over_all_sequences(self) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(20, 7, generator=generator) * 2 - 1
        at = (30 + 9 * x + 3 * torch.randn(20, 7, generator=generator)).round().long()
        (fit,) = fit_heads(one_hot(at, 128).float()[:, :, None], x)
        slope, intercept = np.polyfit(x.flatten().double(), at.flatten().double(), 1)
        assert (fit.slope, fit.intercept) == pytest.approx((slope, intercept))
        share = np.corrcoef(x.flatten(), at.flatten())[0, 1] ** 2
        assert 0.3 < share < 0.99
        assert fit.r_squared == pytest.approx(share, abs=1e-6)

    def test_the_closest_fit_comes_first_and_one_that_stays_last(self) -> None:
        x = torch.tensor([-1.0, -0.3, 0.3, 1.0])[:, None]
        found = fit_heads(weighting([[5, 1, 1], [5, 9, 2], [5, 3, 3], [5, 6, 4]], 128), x)
        assert [fit.head for fit in found] == [2, 1, 0]
        assert found[0].r_squared > 0.99
        still = (found[2].slope, found[2].intercept, found[2].r_squared)
        assert still == pytest.approx((0, 5, 0))

    def test_a_head_that_writes_late_is_found(self) -> None:
        x = torch.tensor([-1.0, 0.2, 1.0])[:, None]
        places = [[9, 4], [1, 1], [1, 7], [7, 11]]  # head 2 one step behind: 1, 7, 11
        late, fit = fit_writes(weighting(places, 64), x)
        assert (late, fit.head, fit.locations[:, 0].tolist()) == (1, 1, [1, 7, 11])
        at_once = [place[::-1] for place in [*places[1:], places[0]]]
        late, fit = fit_writes(weighting(at_once, 64), x)
        assert (late, fit.head) == (0, 0)

    @pytest.mark.bad_input
    def test_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^x: expected shape \(2, 1\), got \(3, 1\)"):
            fit_heads(weighting([[1], [2]], 4), torch.zeros(3, 1))
        with pytest.raises(ValueError, match=r"^x: expected numbers that differ, got 0\.5"):
            fit_heads(weighting([[1], [2]], 4), torch.full((2, 1), 0.5))
        with pytest.raises(ValueError, match=r"^weighting: expected more than 3 steps, got 2"):
            fit_writes(weighting([[1], [2]], 4), torch.rand(3, 1))
        with pytest.raises(ValueError, match=r"^priorities: expected numbers that differ"):
            fit_writes(weighting([[1], [2], [3]], 4), torch.full((2, 1), 0.5))

    @each(
        ("locations", "expected"),
        [
            ([126, 127, 0, 1], [126, 127, 128, 129]),
            ([3, 5, 4], [3, 5, 4]),
            ([0, 127], [128, 127]),
            ([60], [60]),
            ([10, 50, 120], [138, 178, 120]),
        ],
    )
    def test_the_ring_is_cut_where_no_head_was(
        self, locations: list[int], expected: list[int]
    ) -> None:
        assert unroll(torch.tensor(locations), 128).tolist() == expected


@cache
def result_of(model: str) -> Evaluation:
    """Test on 500 sequences that the chapter does not show."""
    return evaluate(pretrained.load("priority-sort", model).model, TASK, sequences=500, seed=2014)


@pytest.mark.usefixtures("no_shape_checks")
class TestComesTrained:
    """The paper, read off its Figure 18 at a million sequences: NTMs 18 to 20 bits, LSTM 58."""

    def test_the_better_ntm_sorts(self) -> None:
        assert min(result_of(model).mean_bits for model in MODELS[:2]) <= 19

    def test_both_ntms_are_far_better_than_the_lstm(self) -> None:
        for model in MODELS[:2]:
            assert result_of(model).mean_bits < 0.7 * result_of("lstm").mean_bits
