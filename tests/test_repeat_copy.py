"""Repeat copy: mistakes sorted by hand, and what Chapter 8 says of the models that come trained."""

from functools import cache

import pytest
import torch
from torch import Tensor

from ntm_tutorial import evaluation, pretrained, wrong_bits
from ntm_tutorial.analysis import Mistakes, mistakes
from ntm_tutorial.tasks import TASKS, Episode
from tests.each import each

TASK = TASKS["repeat-copy"]


def asked(batch_size: int = 2, length: int = 2, repeats: int = 3) -> Episode:
    generator = torch.Generator().manual_seed(0)
    return TASK.sample(batch_size, generator=generator, length=length, repeats=repeats)


def perfect(episode: Episode) -> Tensor:
    return 10 * (2 * episode.targets - 1)


class TestMistakes:
    def test_a_perfect_answer_has_none(self) -> None:
        found = mistakes(perfect(asked()), asked())
        assert found.copied.shape == (3, 2, 2)
        assert not found.copied.any()
        assert found.ended.tolist() == [[False, False], [False, False], [True, True]]
        assert found.end.tolist() == found.stray.tolist() == found.last.tolist() == [0, 0]
        assert found.right_repetitions.tolist() == [3, 3]

    def test_each_mistake_is_found_where_it_was_made(self) -> None:
        """Length 2, repeats 3: steps 0, 1 in; 2 delimiter; 3, 4, 5, 6, 7, 8 copies; 9 the end."""
        logits = perfect(asked())
        logits[6, 0, [1, 7]] *= -1  # repetition 2, vector 2: two bits
        logits[7, 1, 3] *= -1  # repetition 3, vector 1
        logits[5, 0, 8] *= -1  # an end marker after repetition 1
        logits[4, 1, 8] *= -1  # and one in the middle
        logits[9, 1, [0, 8]] *= -1  # a bit at the last step, and no end marker
        logits[:3] = 99  # steps that do not count
        found = mistakes(logits, asked())
        assert found.copied.nonzero().tolist() == [[1, 1, 0], [2, 0, 1]]
        assert found.copied[1, 1, 0] == 2
        assert found.copied[2, 0, 1] == 1
        assert found.ended.T.tolist() == [[True, False, True], [False, False, False]]
        assert found.stray.tolist() == [0, 1]
        assert found.last.tolist() == [0, 1]
        assert found.end.tolist() == [1, 3]
        assert found.right_repetitions.tolist() == [1, 2]

    def test_bits_displaced_by_an_end_marker(self) -> None:
        logits = perfect(asked())
        logits[5, 0, 8] *= -1  # an end marker after repetition 1 ...
        logits[5, 0, [1, 2, 3]] *= -1  # ... where the first vector of repetition 2 was due
        logits[6, 0, 4] *= -1  # the vector after it
        logits[5, 1, 5] *= -1  # the same step, and no marker
        found = mistakes(logits, asked())
        assert found.displaced.tolist() == [3, 0]
        assert found.copied.sum((0, 1)).tolist() == [4, 1]

    @each(("length", "repeats"), [(1, 1), (1, 4), (4, 1), (3, 5)])
    def test_they_add_up_to_the_wrong_bits(self, length: int, repeats: int) -> None:
        episode = asked(20, length, repeats)
        logits = torch.randn(episode.targets.shape, generator=torch.Generator().manual_seed(1))
        found = mistakes(logits, episode)
        assert found.copied.shape == (repeats, length, 20)
        assert (found.copied.sum((0, 1)) + found.end).equal(wrong_bits(logits, episode))

    @pytest.mark.bad_input
    def test_what_cannot_be_sorted(self) -> None:
        with pytest.raises(ValueError, match=r"^logits: expected .*\(10, 2, 9\), got \(10, 2, 8\)"):
            mistakes(torch.zeros(10, 2, 8), asked())
        mixed = TASK.sample(2, length=2, repeats=torch.tensor([1, 2]))
        with pytest.raises(ValueError, match=r"^episode: expected the same repeats for all"):
            mistakes(torch.zeros(mixed.targets.shape), mixed)


@cache
@torch.no_grad()
def mistakes_of(model: str, length: int, repeats: int, count: int = 200) -> Mistakes:
    """Test on sequences that the chapter does not show."""
    generator = torch.Generator().manual_seed(evaluation.testing_seed(2014))
    episode = TASK.sample(count, generator=generator, length=length, repeats=repeats)
    logits, _ = pretrained.load("repeat-copy", model).model(episode.inputs)
    return mistakes(logits, episode)


def mean_wrong(found: Mistakes) -> float:
    return (found.copied.sum((0, 1)) + found.end).double().mean().item()


def perfect_share(found: Mistakes) -> float:
    return (found.copied.sum((0, 1)) + found.end == 0).double().mean().item()


@pytest.mark.usefixtures("no_shape_checks")
class TestComesTrained:
    """The best public weights: 36 wrong bits at (20, 10), 131 at (10, 20)."""

    def test_inside_the_training_range(self) -> None:
        assert mean_wrong(mistakes_of("ntm-lstm", 10, 10)) <= 0.05
        assert perfect_share(mistakes_of("ntm-feedforward", 10, 10)) >= 0.98
        assert perfect_share(mistakes_of("ntm-feedforward", 1, 2)) >= 0.98
        assert perfect_share(mistakes_of("ntm-feedforward", 1, 10)) >= 0.88, "the hardest cell"

    def test_longer_sequences(self) -> None:
        """All is copied; one of six says "end" at the wrong place."""
        found = mistakes_of("ntm-feedforward", 20, 10)
        assert perfect_share(found) >= 0.7
        assert mean_wrong(found) <= 1.5
        other = mistakes_of("ntm-lstm", 20, 10)  # ends once too early, and displaces a vector
        assert mean_wrong(other) <= 5.5
        assert (other.copied.sum((0, 1)) - other.displaced).double().mean() <= 0.5

    def test_more_repeats_than_ever_trained(self) -> None:
        """As in the paper: it goes on copying, and says "end" after each repetition too many."""
        found = mistakes_of("ntm-lstm", 10, 20)
        wrong = found.copied.sum((0, 1))
        assert wrong.double().mean() <= 0.05 * 1600
        assert (wrong - found.displaced).double().mean() <= 0.02 * 1600
        ended = found.ended.double().mean(1)
        assert ended[:9].max() <= 0.02
        assert ended[11:].min() >= 0.95

    def test_the_other_breaks_off_where_it_says_end(self) -> None:
        found = mistakes_of("ntm-feedforward", 10, 20)
        assert found.copied[:10].double().mean() / 8 <= 0.001
        assert found.copied[12:].double().mean() / 8 >= 0.2
        assert found.ended.double().mean(1)[:9].max() <= 0.02

    def test_the_lstm_is_lost_on_longer_lists_and_goes_on_with_more_repeats(self) -> None:
        """It is finished: no bit is wrong inside its training range."""
        inside, longer, more = (
            mistakes_of("lstm", *size, 50).copied.double().mean() / 8
            for size in ((10, 10), (20, 10), (10, 20))
        )
        assert inside == 0
        assert longer > 0.3
        assert more < 0.1
