"""Associative recall: steps in words, writes by hand, and what the trained models reach."""

from functools import cache

import pytest
import torch

from ntm_tutorial import pretrained
from ntm_tutorial.analysis import last_written, phase
from ntm_tutorial.evaluation import Evaluation, evaluate
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.tasks import TASKS
from tests.each import each

TASK = TASKS["associative-recall"]


class TestPhase:
    def test_each_step_of_two_items(self) -> None:
        """The class draws these 16 steps."""
        assert [phase(step, 2) for step in range(16)] == [
            "delimiter before item 1",
            *(f"vector {k} of item 1" for k in (1, 2, 3)),
            "delimiter after item 1",
            *(f"vector {k} of item 2" for k in (1, 2, 3)),
            "delimiter after item 2 and before the query",
            *(f"vector {k} of the query" for k in (1, 2, 3)),
            "delimiter after the query",
            *(f"vector {k} of the answer is due" for k in (1, 2, 3)),
        ]

    @each("items", [2, 6, 20])
    def test_it_ends_with_the_sequence(self, items: int) -> None:
        inputs, _, mask = TASK.sample(1, items=items)
        due = [step for step in range(len(inputs)) if "is due" in phase(step, items)]
        assert due == mask.nonzero().flatten().tolist()
        delimiters = [step for step in range(len(inputs)) if "delimiter" in phase(step, items)]
        assert delimiters == inputs[:, 0, 6:].sum(-1).nonzero().flatten().tolist()

    @pytest.mark.bad_input
    @each("step", [-1, 16])
    def test_there_is_no_such_step(self, step: int) -> None:
        with pytest.raises(
            ValueError, match=rf"^step: expected a whole number from 0 to 15, got {step}"
        ):
            phase(step, 2)


class TestLastWritten:
    def test_by_hand(self) -> None:
        """Two locations, five steps: location 0 is written at steps 1 and 3, location 1 at 4."""
        memory = torch.zeros(5, 1, 2, 3)
        memory[1:, 0, 0, 0] = 0.6
        memory[2:, 0, 0, 1] = 0.4  # too little
        memory[3:, 0, 0, 2] = -0.5
        memory[4:, 0, 1] = 0.3  # 0.3 in each of three columns: 0.52
        found = last_written(memory)
        assert found[:, 0, 0].tolist() == [-1, 1, 1, 3, 3]
        assert found[:, 0, 1].tolist() == [-1, -1, -1, -1, 4]

    def test_one_step_tells_nothing(self) -> None:
        assert last_written(torch.ones(1, 2, 3, 4)).tolist() == [[[-1] * 3] * 2]


@cache
def result_of(model: str, items: int) -> Evaluation:
    """Test on 500 sequences that the chapter does not show."""
    found = pretrained.load(TASK.name, model)
    return evaluate(found.model, TASK, sequences=500, seed=2014, items=items)


@pytest.mark.usefixtures("no_shape_checks")
class TestComesTrained:
    """Trained on 2 to 6 items. The best public weights: 0.10, 0.69, 6.4 and 8.0 wrong bits."""

    @each(("items", "wrong"), [(6, 0.01), (12, 0.05), (15, 0.5), (20, 1.0)])
    def test_the_better_ntm(self, items: int, wrong: float) -> None:
        means = {name: result_of(name, items).mean_wrong for name in MODELS[:2]}
        print(f"{items} items, mean wrong bits of 18: {means}")
        assert min(means.values()) <= wrong

    @each("items", [6, 12])
    def test_both_ntms_are_better_than_the_lstm(self, items: int) -> None:
        lstm = result_of("lstm", items).mean_wrong
        assert max(result_of(name, items).mean_wrong for name in MODELS[:2]) < lstm
