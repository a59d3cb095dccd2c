"""Sweeps: every seed and setting once, resumable, one file of results a run."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from distributed import LocalCluster
from joblib.externals.loky import reusable_executor

from ntm_tutorial import pretrained, storage
from ntm_tutorial.evaluation import evaluate
from ntm_tutorial.lab import results, sweeps
from ntm_tutorial.lab.cli import BAD_INPUT, FAILED, INTERRUPTED, main
from ntm_tutorial.lab.results import SCORING, Result, Scoring
from ntm_tutorial.lab.sweeps import Run, carry_out, expected_seconds, parse_setting, runs
from ntm_tutorial.recipes import ALL_RECIPES, RECIPES, Recipe, recipe
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.training import train
from tests.each import each

SMALL = {
    "sequences": [48], "batch_size": [8], "ramp": [0], "validate_every": [16],
    "validation_sequences": [4], "network.controller_size": [6],
    "network.memory_locations": [5], "network.memory_width": [4],
}  # fmt: skip


def line(**more: list[Any]) -> str:
    settings = (f"{name}={values[0]}" for name, values in (SMALL | more).items())
    return f"sweep copy ntm-lstm --set {' '.join(settings)}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, and test on something short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SCORING, "copy", Scoring(0.1, 1.0, ({"length": 2},)))


def small(seeds: int = 1, **more: list[Any]) -> list[Run]:
    return runs("copy", "ntm-lstm", seeds=range(seeds), settings=SMALL | more)


def call(line: str) -> int:
    try:
        return main(shlex.split(line))
    except SystemExit as end:
        return int(end.code or 0)


def files(*endings: str) -> list[str]:
    return sorted(path.name for path in Path().rglob("seed-*") if path.suffix in endings)


class TestRuns:
    def test_every_setting_with_every_seed(self) -> None:
        settings = {"learning_rate": [1e-3, 3e-3], "network.memory_locations": [16, 32, 64]}
        found = runs("copy", "ntm-lstm", seeds=(4, 7), settings=settings)
        assert len(found) == len({run.name for run in found}) == 12
        last = found[-1]
        assert (last.seed, last.plan.training["learning_rate"]) == (7, 3e-3)
        assert last.plan.network["memory_locations"] == 64
        unchanged = recipe("copy", "ntm-lstm")
        assert last.plan.training == {**unchanged.training, "learning_rate": 3e-3}
        assert last.setting == "copy_ntm-lstm/learning_rate=0.003+network.memory_locations=64"

    @pytest.mark.usefixtures("no_shape_checks")
    def test_numbers_of_numpy(self) -> None:
        sizes = {"batch_size": [np.int64(8)]}
        (run,) = runs("copy", "ntm-lstm", seeds=np.arange(1), settings=sizes)
        assert (type(run.seed), type(run.settings["batch_size"])) == (int, int)

    def test_an_input_gain(self) -> None:
        (run,) = runs("repeat-copy", "ntm-lstm", seeds=[0], settings={"gain.repeats": [1.0]})
        assert run.plan.input_gain == {"repeats": 1.0}
        assert run.plan.settings == recipe("repeat-copy", "ntm-lstm").settings

    def test_the_live_recipe(self) -> None:
        (run,) = runs("copy", "ntm-feedforward", seeds=[2], live_recipe=True)
        assert run.name == "copy_ntm-feedforward_live/seed-02"
        assert run.plan.training["stop_at"] == 0.1

    def test_all_models_and_all_that_are_live(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Run] = []
        monkeypatch.setattr(sweeps, "carry_out", lambda wanted, *_, **__: asked.extend(wanted))
        call("sweep copy all --live --seeds 2")
        call("sweep dynamic-ngrams all")
        assert [(run.plan.model, run.seed) for run in asked] == [
            *((model, seed) for model in ("ntm-feedforward", "ntm-lstm") for seed in (0, 1)),
            *((m, plan.seed) for (t, m), plan in ALL_RECIPES.items() if t == "dynamic-ngrams"),
        ]

    def test_a_live_recipe_is_one_of_copy(self) -> None:
        with pytest.raises(ValueError, match=r"task_name: expected one of \['copy'\], got 'r"):
            runs("repeat-copy", "ntm-lstm", seeds=[0], live_recipe=True)

    @each(
        ("text", "expected"),
        [
            ("ramp=0", ("ramp", [0])),
            ("learning_rate=1e-3,3e-3", ("learning_rate", [1e-3, 3e-3])),
            ("stop_at=none", ("stop_at", [None])),
            ("mixed=true,False", ("mixed", [True, False])),
            ("optimizer=adam,rmsprop", ("optimizer", ["adam", "rmsprop"])),
            ("memory_sizes=[32,128],[64]", ("memory_sizes", [[32, 128], [64]])),
            ("validation_difficulty={'length': 20}", ("validation_difficulty", [{"length": 20}])),
        ],
    )
    def test_settings_on_the_command_line(self, text: str, expected: Any) -> None:
        assert parse_setting(text) == expected

    def test_its_command_asks_for_the_same_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Run] = []
        monkeypatch.setattr(sweeps, "carry_out", lambda wanted, *_, **__: asked.extend(wanted))
        settings: dict[str, list[Any]] = {
            "stop_at": [None], "optimizer": ["rmsprop"], "memory_sizes": [[32, 128]],
            "validation_difficulty": [{"length": 20}], "mixed": [False], "epsilon": [1e-8],
        }  # fmt: skip
        wanted = runs("copy", "ntm-feedforward", seeds=[3, 11], settings=settings)
        wanted += runs("copy", "ntm-feedforward", seeds=[0], live_recipe=True)
        for run in wanted:
            call(run.command().removeprefix("ntm-tutorial "))
        assert asked == wanted

    @pytest.mark.bad_input
    @each(
        ("line", "message"),
        [
            (
                "copy ntm-lstm --set speed=3",
                r"settings \(--set\): expected one of sequences, .* got 'speed'",
            ),
            ("copy lstm --set network.memory_width=3", "network.hidden_size, .*memory_width"),
            ("copy lstm --set seed=3", "got 'seed'"),
            ("copy ntm-lstm --set gain.bits=3", "got 'gain.bits'"),
            ("repeat-copy ntm-lstm --set gain.repeats=x", "input_gain of repeats: expected"),
            ("copy lstm --set ramp", "--set: expected NAME=VALUE or .* got 'ramp'"),
            ("copy lstm --set ramp=", "--set: expected NAME=VALUE"),
            ("copy ntm-lstm --set ramp=1 ramp=2", "--set: ramp is given twice"),
            ("copy lstm --set sequences=9 --sequences 8", "--set: sequences is given twice"),
            ("copy ntm-lstm --set ramp=-3", "--set ramp=-3: ramp: expected a whole number"),
            ("copy ntm-lstm --set sequences=abc", "--set sequences=abc: sequences: expected"),
            ("copy ntm-lstm --set memory_sizes=5", "--set memory_sizes=5: "),
            ("copy ntm-lstm --set validation_difficulty=5", "--set validation_difficulty=5: "),
            (
                "copy ntm-lstm --set network.memory_locations=99999999999",
                "--set network.memory_locations=99999999999: ",
            ),
            ("copy ntm-lstm --seed 3", "unrecognized arguments: --seed 3"),
            ("copy ntm-lstm --seeds 0", "--seeds: expected a whole number from 1 to 10,000"),
            (
                "copy ntm-lstm --seeds 2000000000",
                "--seeds: expected a whole number from 1 to 10,000",
            ),
            ("copy ntm-lstm --jobs no", "--jobs: expected a whole number from 1"),
            ("copy ntm-lstm --first-seed -1", "--first-seed: expected a whole number from 0"),
            ("copy lstm --device gpu", "--device: there is no 'gpu' here"),
            ("copy ntm-lstm --dask bogus", "--dask: expected such as tcp://host:8786, got 'bogus'"),
            ("copy lstm --live", "--live: expected copy ntm-feedforward or .*, got copy lstm"),
            ("repeat-copy all --live", "--live: expected copy .* got repeat-copy all"),
            ("copy nothing", "MODEL: invalid choice"),
            (
                "dynamic-ngrams dnc",
                r"model_name: expected one of \[.* on dynamic-ngrams, got 'dnc'",
            ),
            ("copy lstm --summary", "has no results of these runs"),
        ],
    )
    def test_bad_input(self, line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert call(f"sweep {line} --no-progress") == BAD_INPUT
        error = capsys.readouterr().err.splitlines()[-1]
        assert re.search(message, error)
        assert error.startswith("ntm-tutorial")


class TestCarryOut:
    def test_a_result_says_all_and_its_weights_lie_beside_it(self, tmp_path: Path) -> None:
        (run,) = small()
        (result,) = carry_out([run], "out", progress=False)
        file = tmp_path / "out" / f"{run.name}.json"
        assert Result.read(file) == result
        assert not files(".checkpoint", ".part")
        model = run.plan.build(0)
        history = train(model, TASKS["copy"], **run.plan.training, progress=False)
        assert result.history.sequences == history.sequences == [16, 32, 48]
        assert result.history.validation_bits == pytest.approx(history.validation_bits, rel=1e-4)
        stored = pretrained.load_file(file.with_suffix(".safetensors"))
        assert all(
            value.equal(model.state_dict()[name])
            for name, value in stored.model.state_dict().items()
        )
        wrong = evaluate(model, TASKS["copy"], sequences=500, length=2).mean_wrong
        (score,) = result.scores
        assert score["mean_wrong"] == pytest.approx(wrong, rel=1e-4)
        assert (score["difficulty"], score["sequences"]) == ({"length": 2}, 500)
        assert result.parameters == sum(parameter.numel() for parameter in model.parameters())
        assert result.outcome == "finished"
        assert not result.compiled
        assert result.wall_seconds is not None and result.wall_seconds >= 0
        assert result.machine["threads"] == 1 and result.machine["processor"]
        assert set(result.versions) == {"python", "torch", "ntm-tutorial"}
        assert result.recipe["training"]["sequences"] == 48

    def test_what_is_done_is_not_done_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = carry_out(small(), "out", progress=False)
        plain, trained = Recipe.train, list[int]()

        @wraps(plain)
        def counted(*arguments: Any, seed: int, **keywords: Any) -> Any:
            trained.append(seed)
            return plain(*arguments, seed=seed, **keywords)

        monkeypatch.setattr(Recipe, "train", counted)
        both = carry_out(small(2), "out", progress=False)
        assert trained == [1]
        assert both[0] == first[0]
        assert [one.seed for one in both] == [0, 1]

    def test_an_interrupted_run_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (whole,) = carry_out(small(), "whole", progress=False)
        draw, calls = TASKS["copy"].sample, iter(range(99))

        def interrupted(*arguments: Any, **keywords: Any) -> Any:
            if next(calls) == 5:
                raise KeyboardInterrupt
            return draw(*arguments, **keywords)

        with monkeypatch.context() as patch:
            patch.setattr(TASKS["copy"], "sample", interrupted)
            with pytest.raises(KeyboardInterrupt):
                carry_out(small(), "cut", progress=False)
        assert files(".checkpoint") == ["seed-00.checkpoint"]
        (cut,) = carry_out(small(), "cut", progress=False)
        assert cut.wall_seconds is None
        assert cut.history.validation_bits == whole.history.validation_bits
        assert not files(".checkpoint")
        same_weights("whole", "cut")

    def test_a_run_that_blows_up_is_a_result_too(self) -> None:
        wanted = small(learning_rate=[1e30, 1e-3])
        bad, good = carry_out(wanted, "out", progress=False)
        assert bad.outcome == "not finite"
        assert bad.error is not None and "not finite after" in bad.error
        assert not bad.scores
        assert good.outcome == "finished"
        assert files(".safetensors") == ["seed-00.safetensors"]
        first, second = results.summarize([bad, good])
        assert {first.not_finite, second.not_finite} == {0, 1}

    def test_its_curve_is_that_of_the_last_checkpoint(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain, calls = Recipe.train, []

        @wraps(plain)
        def fails_at_the_end(*arguments: Any, **keywords: Any) -> None:
            calls.append(plain(*arguments, **keywords))
            raise FloatingPointError("the gradient is not finite after 48 sequences")

        monkeypatch.setattr(Recipe, "train", fails_at_the_end)
        (result,) = carry_out(small(), "out", progress=False)
        assert result.history.sequences == calls[0].sequences == [16, 32, 48]
        assert files(".checkpoint", ".safetensors") == ["seed-00.checkpoint"]  # to go back to

    @pytest.mark.parametrize("name", ["training", "network"])
    def test_results_of_other_settings_are_refused(self, name: str) -> None:
        (run,) = small()
        carry_out([run], "out", progress=False)
        file = Path("out") / f"{run.name}.json"
        found = Result.read(file)
        key = next(iter(found.recipe[name]))
        found.recipe[name][key] = 7
        found.write(file)
        with pytest.raises(ValueError, match=rf"seed-00.json was made with {key}=7, not"):
            carry_out([run], "out", progress=False)

    def test_a_damaged_result_is_refused(self) -> None:
        (run,) = small()
        file = Path("out") / f"{run.name}.json"
        file.parent.mkdir(parents=True)
        file.write_text("{", encoding="utf-8")
        with pytest.raises(ValueError, match=r"is no file of results .* remove it"):
            carry_out([run], "out", progress=False)


def same_weights(one: str, other: str) -> None:
    """Check that two folders hold the same models, bit by bit."""
    pairs = [sorted(Path(folder).rglob("*.safetensors")) for folder in (one, other)]
    assert len(pairs[0]) == len(pairs[1]) > 0
    for first, second in zip(*pairs, strict=True):
        tensors, others = storage.load(first)[0], storage.load(second)[0]
        assert all(tensor.equal(others[name]) for name, tensor in tensors.items())


@contextmanager
def at_the_first_checkpoint(action: Any) -> Iterator[None]:
    """Do something from a thread as soon as a run has saved its work."""
    here, over = Path.cwd(), threading.Event()

    def watch() -> None:
        while not any(here.rglob("*.checkpoint")):
            if over.wait(0.01):
                return
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class TestProcesses:
    LONG, ENDLESS = (
        line(sequences=[count], validate_every=[40]) + " --jobs 2 --no-progress --output"
        for count in (400, 1_000_000)
    )
    COMMAND = (sys.executable, "-m", "ntm_tutorial.lab.cli", *shlex.split(ENDLESS), "out")

    def test_a_killed_worker_loses_only_what_came_since_its_last_validation(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def kill() -> None:
            for worker in list(reusable_executor._executor._processes):
                os.kill(worker, signal.SIGKILL)

        with at_the_first_checkpoint(kill):
            assert call(f"{self.LONG} cut") == FAILED
        said = capsys.readouterr().err
        assert "A worker was killed, perhaps for want of memory" in said
        assert "What is done is in cut; to go on from there, give the same command again" in said
        assert files(".checkpoint")
        assert call(f"{self.LONG} cut") == 0
        assert files(".json") == ["seed-00.json"]
        assert not files(".checkpoint")
        assert call(f"{self.LONG} whole") == 0
        same_weights("whole", "cut")
        assert Path("cut/copy.svg").read_text(encoding="utf-8").startswith("<?xml")

    def test_ctrl_c_stops_all_at_once(self) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what `make test &` ignores
        process = subprocess.Popen(
            self.COMMAND, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        with at_the_first_checkpoint(lambda: os.killpg(process.pid, signal.SIGINT)):
            said = process.communicate(timeout=300)[1]
        assert process.returncode == INTERRUPTED
        assert "Stopped.\nWhat is done is in out" in said
        assert "Traceback" not in said
        assert files(".checkpoint") and not files(".json")

    @pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes as Linux has them")
    def test_workers_stop_when_their_parent_was_killed(self) -> None:
        process = subprocess.Popen(self.COMMAND, stderr=subprocess.DEVNULL)
        workers: set[int] = set()

        def kill() -> None:
            workers.update(children(process.pid))
            process.kill()

        with at_the_first_checkpoint(kill):
            process.wait(timeout=300)
        assert workers
        end = time.monotonic() + 60  # a busy machine; an idle one needs a second
        while workers & running() and time.monotonic() < end:
            time.sleep(0.2)
        assert not workers & running()


def processes() -> dict[int, tuple[str, int]]:
    """Return the state of each process, and its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended meanwhile
            state, parent = path.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
            found[int(path.parent.name)] = state, int(parent)
    return found


def children(of: int) -> set[int]:
    return {number for number, (_, parent) in processes().items() if parent == of}


def running() -> set[int]:
    return {number for number, (state, _) in processes().items() if state != "Z"}


class TestDask:
    def test_it_does_the_same_on_a_cluster(self) -> None:
        here = carry_out(small(2), "here", progress=False)
        with LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster:
            address = cluster.scheduler_address
            there = carry_out(small(2), "there", dask=address, progress=False)
        assert [one.history.validation_bits for one in there] == [
            one.history.validation_bits for one in here
        ]
        same_weights("here", "there")
        assert not files(".checkpoint")

    def test_workers_of_several_threads_are_refused(self) -> None:
        with (
            LocalCluster(
                n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
            ) as cluster,
            pytest.raises(ValueError, match=r"workers of one thread each, .* got \[2\] threads"),
        ):
            carry_out(small(), "out", dask=cluster.scheduler_address, progress=False)

    def test_no_cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweeps, "TIMEOUT", 0.1)
        with pytest.raises(ValueError, match=r"dask: no cluster answers at 'tcp://127\.0\.0\.1:1'"):
            carry_out(small(), "out", dask="tcp://127.0.0.1:1", progress=False)

    def test_no_dask(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(ValueError, match=r"pip install 'ntm-tutorial\[dask\]'"):
            carry_out(small(), "out", dask="tcp://127.0.0.1:1", progress=False)


class TestExpected:
    def test_runs_in_the_folder_tell_best(self) -> None:
        wanted = small(2)
        carry_out(wanted[:1], "out", progress=False)
        done, left = expected_seconds(wanted, "out")
        assert done == 0
        (result,) = results.load("out")
        assert left == pytest.approx(result.history.seconds[-1])

    def test_else_the_models_that_come_with_the_package(self) -> None:
        history = pretrained.load("copy", "lstm").history
        pace = history.seconds[-1] / history.sequences[-1]
        (seconds,) = expected_seconds(
            runs("copy", "lstm", seeds=[0], settings={"sequences": [1000]}), "none"
        )
        assert seconds == pytest.approx(1000 * pace)

    def test_all_recipes_and_their_time_are_announced(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def stop(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(sweeps, "carry_out", stop)
        assert call("sweep all all --jobs 2") == INTERRUPTED
        *rows, together, about = capsys.readouterr().err.splitlines()[1 : len(ALL_RECIPES) + 3]
        assert [row.split()[-1] for row in rows] == [f"{a}_{b}" for a, b in ALL_RECIPES]
        assert together.split()[:2] == [str(len(ALL_RECIPES)), "0"]
        seconds = [
            history.seconds[-1]
            for pair in pretrained.available()
            if (history := pretrained.load(*pair).history).seconds
        ]
        over = "over " * any("unknown" in row for row in rows)
        assert f"  {over}{sum(seconds) / 3600:.1f} h" in together
        assert f"{'Over' if over else 'About'} {sum(seconds) / 7200:.1f} h, 2 at a time" in about


def test_the_trained_models_are_of_their_recipes_seed() -> None:
    for pair, plan in RECIPES.items():
        assert storage.load(pretrained.path(plan))[1]["seed"] == plan.seed, pair


def test_threads_and_denormals_are_put_back() -> None:
    before = torch.get_num_threads()
    with sweeps.using_threads(2):
        assert torch.get_num_threads() == 2
        assert (torch.tensor([1e-39]) * 0.5).item() == 0
    assert torch.get_num_threads() == before
    assert (torch.tensor([1e-39]) * 0.5).item() > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_sweep_on_a_cuda_device_leaves_the_same_files(tmp_path: Path) -> None:
    (result,) = carry_out(small(), tmp_path, device="cuda", progress=False)
    assert result.machine["processor"] == torch.cuda.get_device_name()
    (file,) = tmp_path.rglob("*.safetensors")
    model = pretrained.load_file(file).model
    assert {weight.device.type for weight in model.parameters()} == {"cpu"}
