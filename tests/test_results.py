"""Files of results, and what many of them say together."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ntm_tutorial import pretrained
from ntm_tutorial.evaluation import bits_per_sequence
from ntm_tutorial.lab import results, sweeps
from ntm_tutorial.lab.results import SCORING, Result
from ntm_tutorial.models.lstm import LSTMBaseline
from ntm_tutorial.recipes import RECIPES, recipe
from ntm_tutorial.tasks import ALL_TASKS, TASKS
from ntm_tutorial.tasks.dynamic_ngrams import optimal_predictions
from ntm_tutorial.training import History
from tests.each import each


def made(*costs: float, task: str = "copy", seed: int = 0, optimum: float = 0.0) -> Result:
    """Make the result of a run that was validated every 10,000 sequences, each in 7 seconds."""
    count = len(costs)
    history = History(
        sequences=[10_000 * number for number in range(1, count + 1)],
        training_bits=[9.0] * count,
        validation_bits=list(costs),
        validation_wrong=[1.0] * count,
        seconds=[7.0 * number for number in range(1, count + 1)],
    )
    score = {
        "difficulty": {"length": 20}, "sequences": 500, "bits_asked": 160.0, "mean_bits": 5.0,
        "mean_wrong": float(seed), "median_wrong": 0.0, "share_perfect": 0.5,
    }  # fmt: skip
    return Result(
        task=task, model="ntm-lstm", live=False, settings={}, seed=seed,
        command=f"ntm-tutorial sweep copy ntm-lstm --seeds 1 --first-seed {seed} --compile",
        outcome="finished", error=None, scores=[score], optimum=optimum, parameters=3,
        history=history, wall_seconds=1.5, compiled=False, recipe={}, machine={}, versions={},
    )  # fmt: skip


class TestFiles:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        result = replace(made(80.0, 0.25), settings={"stop_at": None, "memory_sizes": [3, 4]})
        result.write(tmp_path / "deep" / "seed-00.json")
        assert results.load(tmp_path) == [result]
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["seed-00.json"]

    def test_five_digits_are_kept(self, tmp_path: Path) -> None:
        made(0.123456789, float("inf")).write(tmp_path / "seed-00.json")
        assert results.load(tmp_path)[0].history.validation_bits == [0.12346, float("inf")]

    def test_what_is_no_result_is_refused(self, tmp_path: Path, subtests: pytest.Subtests) -> None:
        """Nothing of the kind, each entry left out in turn, one too many, another format."""
        path = tmp_path / "seed-00.json"
        made(80.0, 0.25).write(path)
        whole = json.loads(path.read_text(encoding="utf-8"))
        cut = [{key: part for key, part in whole.items() if key != name} for name in whole]
        fitting = {key: part for key, part in whole.items() if key != "digest"} | {"no": 1}
        cut.append(fitting | {"digest": results._digest(fitting)})
        for wrong in (None, 3, "x", [], {}, whole | {"no": 1}, whole | {"format": 1}, *cut):
            path.write_text(json.dumps(wrong), encoding="utf-8")
            with (
                subtests.test(wrong=wrong),
                pytest.raises(ValueError, match=r"is no file of results"),
            ):
                results.load(tmp_path)

    def test_whatever_was_changed_is_refused(self, tmp_path: Path) -> None:
        """Every number, word and truth value of a file in turn, each to another plausible one."""
        path = tmp_path / "seed-00.json"
        made(80.0, 0.25, seed=3).write(path)
        text, count = path.read_text(encoding="utf-8"), 0
        whole = json.loads(text)
        for found in re.finditer(r'\d+|true|false|null|(?<=")[\w-]+(?=")', text):
            word = found[0]
            other = {"true": "false", "false": "true", "null": "1.5"}.get(word)
            other = other or (str(int(word) + 1) if word.isdecimal() else f"{word}s")
            path.write_text(text[: found.start()] + other + text[found.end() :], encoding="utf-8")
            if json.loads(path.read_text(encoding="utf-8")) != whole:
                count += 1
                with pytest.raises(ValueError, match="is no file of results"):
                    results.load(tmp_path)
        assert count > 80
        path.write_text(json.dumps(whole, indent=2), encoding="utf-8")  # laid out in another way
        assert results.load(tmp_path) == [made(80.0, 0.25, seed=3)]


class TestRuns:
    def test_solved_is_when_the_goal_was_reached_for_good(self) -> None:
        result = made(50.0, 0.09, 0.2, 0.1, 0.1, 0.05)
        assert (result.reached, result.solved, result.relapses) == (20_000, 40_000, 0)
        assert result.seconds_to_goal == 28.0

    def test_a_cost_from_before_hardening_is_not_that_of_the_weights(self) -> None:
        result = made(50.0, 0.09, 0.2, 0.1, 0.3)
        for after, cost in ((None, 0.09), (20_000, 0.1)):
            assert replace(result, recipe={"training": {"harden_after": after}}).lowest == cost

    def test_not_solved(self) -> None:
        result = made(50.0, 0.09, 3.0, 0.1, 0.1)
        assert (result.reached, result.solved, result.relapses) == (20_000, None, 1)
        assert result.seconds_to_goal is None

    def test_for_ngrams_the_optimum_counts(self) -> None:
        result = made(150.0, 130.0, 129.0, 129.5, task="dynamic-ngrams", optimum=128.0)
        assert result.curve.validation_bits == [22.0, 2.0, 1.0, 1.5]
        assert result.solved == 20_000
        assert result.history.validation_bits[0] == 150.0


class TestScores:
    def test_ngrams_are_scored_beside_the_optimum_on_the_same_sequences(self) -> None:
        model = LSTMBaseline(1, 1, hidden_size=4, layers=1)
        torch.nn.init.zeros_(model.output.weight)
        torch.nn.init.zeros_(model.output.bias)
        (score,) = results.score(model, "dynamic-ngrams", sequences=60)
        assert score["bits_asked"] == score["mean_bits"] == 195
        assert score["sequences"] == 60
        assert 115 < score["optimum_bits"] < 140
        assert results.measured(score) == score["mean_bits"] - score["optimum_bits"]

    def test_the_optimum_of_the_validation(self) -> None:
        plan = recipe("dynamic-ngrams", "lstm")
        episode = plan.settings.validation.episode(TASKS[plan.task], 5)
        logits = optimal_predictions(episode.inputs[..., 0]).logit()[..., None]
        expected = bits_per_sequence(logits, episode).mean().item()
        assert results.validation_optimum(plan, 5) == pytest.approx(expected, rel=1e-4)
        assert results.validation_optimum(recipe("copy", "lstm"), 5) == 0

    def test_what_is_compared(self) -> None:
        assert results.measured({"mean_bits": 5.0, "mean_wrong": 2.0}) == 2.0


class TestSummary:
    def test_numbers(self) -> None:
        good, late = made(0.1, 0.1, 0.1, 0.1, seed=1), made(9.0, 0.1, 0.1, 0.1, seed=2)
        good = replace(good, command=good.command.removesuffix(" --compile"))  # most had it
        bad = replace(made(0.1, 5.0, 0.1, 5.0, seed=6), outcome="not finite", scores=[])
        other = replace(made(0.05), settings={"ramp": 0})
        ngrams = made(130.0, task="dynamic-ngrams")
        sort = [good, ngrams, late, other, bad]
        first, second, third = results.summarize(sort)
        assert (first.setting, first.task, first.model) == ("copy_ntm-lstm", "copy", "ntm-lstm")
        assert (
            first.command == "ntm-tutorial sweep copy ntm-lstm --seeds 6 --first-seed 1 --compile"
        )
        assert (first.runs, first.reached, first.solved) == (3, 3, 2)
        assert (first.not_finite, first.relapses) == (1, 2)
        assert (first.sequences, first.seconds) == ([10_000, 20_000], [7.0, 14.0])
        assert first.scores == {"length 20": [1.0, 2.0]}
        assert (second.setting, second.runs) == ("copy_ntm-lstm/ramp=0", 1)
        assert third.task == "dynamic-ngrams"
        assert not results.summarize([])

    @each(
        ("values", "text"),
        [([], "-"), ([3.0], "3"), ([1.0, 12.0, 2.0], "2 (1 to 12)"), ([1, 4], "2.5 (1 to 4)")],
    )
    def test_spread(self, values: list[float], text: str) -> None:
        assert results.spread(values) == text


class TestTheBook:
    """The files that the scoreboard is made of."""

    FOUND = results.load()

    @each("found", FOUND)
    def test_a_command_makes_the_file_with_todays_recipe(self, found: Result) -> None:
        settings = {name: [value] for name, value in found.settings.items()}
        (run,) = sweeps.runs(
            found.task, found.model, seeds=[found.seed], live_recipe=found.live, settings=settings
        )
        assert sweeps.result_of(run, results.FOLDER) == found
        assert found.command == run.command(compile="--compile" in found.command)
        assert [score["difficulty"] for score in found.scores] == [*SCORING[found.task].tests]

    def test_no_seed_was_left_out(self) -> None:
        """Recipes are tuned on seeds from 100 on, which are counted by themselves."""
        seeds: dict[tuple[str, bool], list[int]] = {}
        for one in self.FOUND:
            seeds.setdefault((one.setting, one.seed >= 100), []).append(one.seed)
        for setting, there in seeds.items():
            assert sorted(there) == list(range(min(there), min(there) + len(there))), setting

    @each("pair", RECIPES)
    def test_the_trained_models_have_theirs(self, pair: tuple[str, str]) -> None:
        stored = pretrained.load(*pair)
        (found,) = [
            one
            for one in self.FOUND
            if (one.task, one.model) == pair
            and one.setting == "_".join(pair)
            and one.seed == stored.recipe.seed
        ]
        assert found.history.sequences == stored.history.sequences
        costs = stored.history.validation_bits
        assert found.history.validation_bits == pytest.approx(costs, rel=1e-4)
        assert found.parameters == sum(weight.numel() for weight in stored.model.parameters())

    def test_they_are_small(self) -> None:
        sizes = [path.stat().st_size for path in results.FOLDER.rglob("seed-*.json")]
        assert len(sizes) == len(self.FOUND)
        assert max(sizes) < 20_000 and sum(sizes) < 1_000_000

    def test_the_paper_is_quoted_for_every_row(self) -> None:
        assert list(results.REPORTED) == list(RECIPES)
        assert SCORING.keys() == ALL_TASKS.keys()


def test_a_setting_names_a_folder() -> None:
    settings = {"memory_sizes": [32, 128], "validation_difficulty": {"length": 20}, "epsilon": 1e-8}
    assert results.setting_of("copy", "lstm", True, settings) == (
        "copy_lstm_live/memory_sizes=32-128+validation_difficulty=length-20+epsilon=1e-08"
    )
    assert results.setting_of("copy", "lstm", False, {}) == "copy_lstm"
