"""The command line, run as a reader runs it and, where it can be, in this process."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ntm_tutorial import pretrained, storage
from ntm_tutorial.evaluation import evaluate
from ntm_tutorial.lab.cli import BAD_INPUT, DIFFICULTIES, INTERRUPTED, main
from ntm_tutorial.pretrained import load_file
from ntm_tutorial.recipes import ALL_RECIPES, MODELS, Paper, Recipe, recipe
from ntm_tutorial.settings import typed
from ntm_tutorial.tasks import ALL_TASKS, TASKS
from ntm_tutorial.training import train
from tests.each import each

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def small_recipes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, and let `copy ntm-lstm` be trained in a moment."""
    monkeypatch.chdir(tmp_path)
    network = {"controller_size": 6, "memory_locations": 5, "memory_width": 4}
    training = {
        "sequences": 24, "batch_size": 8, "learning_rate": 3e-3, "decay": 0.5,
        "validate_every": 8, "validation_sequences": 4,
    }  # fmt: skip
    monkeypatch.setitem(
        ALL_RECIPES,
        ("copy", "ntm-lstm"),
        Recipe("copy", "ntm-lstm", Paper(1, "100", 1e-4, 67_561), network, typed(training)),
    )


def call(line: str) -> int:
    try:
        return main(shlex.split(line))
    except SystemExit as end:  # argparse's way out
        return int(end.code or 0)


class TestTrain:
    def test_it_writes_what_train_gives(self, tmp_path: Path) -> None:
        assert call("train copy ntm-lstm --no-progress") == 0
        assert [path.name for path in tmp_path.iterdir()] == ["copy_ntm-lstm.safetensors"]
        found = load_file("copy_ntm-lstm.safetensors")
        plan = recipe("copy", "ntm-lstm")
        model = plan.build(0)
        history = train(model, TASKS["copy"], **plan.training, seed=0, progress=False)
        assert found.recipe == plan
        assert found.history.validation_bits == history.validation_bits
        assert all(
            value.equal(model.state_dict()[name])
            for name, value in found.model.state_dict().items()
        )

    def test_options(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "new folder" / "weights"
        line = f"train copy ntm-lstm --seed 7 --sequences 9 --output '{file}' --device cpu"
        assert call(line) == 0
        found = load_file(file)
        assert found.recipe.training["sequences"] == 9
        assert found.history.sequences == [8, 9]
        assert storage.load(file)[1]["seed"] == 7
        printed = capsys.readouterr()
        assert "9/9" in printed.err
        assert str(file) in printed.out

    def test_a_line_for_each_validation(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert call("train copy ntm-lstm --no-progress") == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines[:3]] == ["8", "16", "24"]
        assert "bits per sequence" in lines[0]

    @pytest.mark.parametrize("option", ["", "--checkpoint elsewhere"])
    def test_the_same_command_goes_on_after_an_interrupt(
        self, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert call("train copy ntm-lstm --no-progress --output whole") == 0
        draw = TASKS["copy"].sample
        calls = iter(range(99))

        def interrupted(*arguments: Any, **keywords: Any) -> Any:
            if next(calls) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return draw(*arguments, **keywords)

        before = signal.getsignal(signal.SIGTERM)
        with monkeypatch.context() as patch:
            patch.setattr(TASKS["copy"], "sample", interrupted)
            assert (
                call(f"train copy ntm-lstm --no-progress --output killed {option}") == INTERRUPTED
            )
        assert signal.getsignal(signal.SIGTERM) == before
        checkpoint = option.partition(" ")[2] or "killed.checkpoint"
        said = capsys.readouterr().err
        assert f"{checkpoint} holds the first 8 sequences" in said
        assert "give the same command again" in said
        assert not Path("killed").exists()
        assert call(f"train copy ntm-lstm --no-progress --output killed {option}") == 0
        assert f"Going on from {checkpoint}" in capsys.readouterr().err
        assert not Path(checkpoint).exists()
        whole, killed = storage.load("whole"), storage.load("killed")
        assert all(tensor.equal(killed[0][name]) for name, tensor in whole[0].items())
        for about in (whole[1], killed[1]):
            del about["history"]["seconds"]
        assert whole[1] == killed[1]

    def test_interrupted_before_anything_was_saved(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(*arguments: Any, **keywords: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(TASKS["copy"], "sample", interrupted)
        assert call("train copy ntm-lstm --no-progress") == INTERRUPTED
        assert "nothing was saved" in capsys.readouterr().err

    def test_a_gradient_that_is_not_finite(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = recipe("copy", "ntm-lstm").build()
        for parameter in model.parameters():
            parameter.register_hook(lambda gradient: gradient * torch.inf)
        monkeypatch.setattr(Recipe, "build", lambda *_: model)
        assert call("train copy ntm-lstm --no-progress") == 1
        assert re.fullmatch(
            r"ntm-tutorial: the gradient is not finite.*\n", capsys.readouterr().err
        )


class TestEvaluate:
    def test_rows(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert call("train copy ntm-lstm --no-progress --output file") == 0
        capsys.readouterr()
        line = "evaluate copy ntm-lstm --length 3 120 --file file --sequences 6 --seed 4"
        assert call(line) == 0
        printed = capsys.readouterr().out
        title, header, *rows = printed.splitlines()
        assert "6 sequences" in title
        assert "seed 4" in title
        assert re.split(r"\s{2,}", header.strip()) == [
            "length", "bits asked", "mean wrong", "median", "perfect", "mean bits"
        ]  # fmt: skip
        model = load_file("file").model
        for row, length in zip(rows, (3, 120), strict=True):
            result = evaluate(model, TASKS["copy"], sequences=6, seed=4, length=length)
            cells = row.split()
            assert cells[:2] == [str(length), str(8 * length)]
            expected = [result.mean_wrong, result.median_wrong, 100 * result.share_perfect]
            assert [float(cell.strip("%")) for cell in cells[2:5]] == pytest.approx(
                expected, abs=1e-3
            )
            assert float(cells[5]) == pytest.approx(result.mean_bits, rel=1e-3)

    def test_two_difficulties_and_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        plan = recipe("repeat-copy", "ntm-feedforward")
        history = pretrained.History()
        pretrained.save_file("file", plan.build(), plan, history, seed=0)
        line = "evaluate repeat-copy ntm-feedforward --file file --sequences 2"
        assert call(f"{line} --repeats 1 4 --length 2 3") == 0
        rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()[2:]]
        asked = [[n, r, (n * r + 1) * 9] for n in (2, 3) for r in (1, 4)]
        assert rows == [[str(number) for number in row] for row in asked]
        assert call(line) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3

    def test_answers_do_not_multiply_items(self, capsys: pytest.CaptureFixture[str]) -> None:
        line = "evaluate priority-sort lstm --items 400 --answers 300 --sequences 1"
        assert call(line) == 0
        assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["400", "300"]

    @each("pair", pretrained.available())
    def test_models_that_come_trained(
        self, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        if pair == ("copy", "ntm-lstm"):  # whose recipe is another one here; the file has its own
            assert call("evaluate copy ntm-lstm --length 2 --sequences 2") == 0
        else:
            assert call(f"evaluate {pair[0]} {pair[1]} --sequences 2") == 0
        assert len(capsys.readouterr().out.splitlines()) == 3


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_every_difficulty_can_be_chosen() -> None:
    ranges = [task.training_range for task in ALL_TASKS.values()]
    assert {name for names in ranges for name in names} == set(DIFFICULTIES)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list") == 0
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if line.startswith(tuple(ALL_TASKS))]
    assert [tuple(row[:2]) for row in rows] == list(ALL_RECIPES)
    for row in rows:
        plan = recipe(row[0], row[1])
        assert row[2] == ("yes" if (row[0], row[1]) in pretrained.available() else "no")
        if plan.paper is not None:
            assert f"{plan.paper.parameters:,}" in row
            assert str(plan.paper.learning_rate) in row
        assert f"{sum(p.numel() for p in plan.build().parameters()):,}" in row
        assert f"{plan.training['sequences']:,}" in row


@each(
    ("line", "words"),
    [
        ("--help", ["train", "evaluate", "list", "examples:"]),
        ("train --help", ["--seed", "--sequences", "--output", "--checkpoint", "--no-progress",
                          "--compile", "--device", "examples:", *TASKS, *MODELS]),
        ("evaluate --help", [*(f"--{name}" for name in DIFFICULTIES), "--sequences", "--seed",
                             "--file", "examples:"]),
        ("list --help", ["come trained"]),
    ],
)  # fmt: skip
def test_help(line: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(line) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in words)
    assert max(map(len, printed.splitlines())) <= 100


def test_examples_in_the_help_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    from ntm_tutorial.lab import cli

    parser = cli._parser()
    examples = [
        line.strip().removeprefix("ntm-tutorial ").partition(" >")[0]
        for text in (cli.EXAMPLES, cli.TRAIN_EXAMPLES, cli.EVALUATE_EXAMPLES)
        for line in text.splitlines()[1:]
    ]
    for example in examples:
        if "cuda" not in example or torch.cuda.is_available():
            parser.parse_args(shlex.split(example))
    assert len(examples) > 8


@pytest.mark.bad_input
class TestBadInput:
    @each(
        ("line", "message"),
        [
            ("", "required: COMMAND"),
            ("learn copy lstm", "invalid choice: 'learn'"),
            ("train", "required: TASK, MODEL"),
            ("train sort lstm", "TASK: invalid choice: 'sort' .*priority-sort"),
            ("train copy gru", "MODEL: invalid choice: 'gru' .*ntm-lstm"),
            ("train copy lstm --seed one", "--seed: expected a whole number .*, got 'one'"),
            (f"train copy lstm --seed {'9' * 400}", "--seed: expected a whole number from 0"),
            ("train copy lstm --device meta", "--device: there is no 'meta' here"),
            ("train copy lstm --output /dev/null", "--output: expected a file of its own"),
            ("evaluate copy ntm-lstm --length 100000000000", "--length: expected .* to 100,000"),
            (
                "evaluate repeat-copy lstm --length 1000 --repeats 1000",
                "--length times --repeats: exp",
            ),
            ("train copy lstm --device gpu", "--device: there is no 'gpu' here"),
            ("train copy lstm --sequences", "--sequences: expected one argument"),
            ("train copy ntm-lstm --sequences 0", "--sequences: .*from 1 to .*got '0'"),
            ("train copy ntm-lstm --seed -1", "--seed: .*from 0 .*got '-1'"),
            ("train copy ntm-lstm --output .", "--output: expected a file of its own, got ."),
            ("train copy lstm --output w --checkpoint a/../w", "--output: expected a file of its"),
            ("train copy ntm-lstm --output a --checkpoint a", "--output: .*of its own, got a"),
            ("train copy ntm-lstm --checkpoint other", "--checkpoint: other is damaged"),
            (
                "train copy ntm-lstm --checkpoint /dev/null/x --no-progress",
                "--checkpoint: /dev/null: cannot be written: (File exists|Not a directory)",
            ),
            ("evaluate copy ntm-lstm --file missing", "--file: no file missing"),
            ("evaluate copy ntm-lstm --file other", "--file: other is damaged"),
            ("evaluate copy lstm --file weights", "--file: weights holds copy ntm-lstm"),
            ("train copy lstm --output /proc/x/y", "--output: /proc/x: cannot be written: "),
            (
                "evaluate priority-sort lstm --items 3 --answers 5",
                "answers: expected at most items",
            ),
            ("evaluate priority-sort lstm --seed -3", "--seed: expected"),
            ("evaluate copy ntm-lstm 120", "unrecognized arguments: 120"),
            ("evaluate copy ntm-lstm --length a", "--length: expected a whole .* got 'a'"),
            ("evaluate copy ntm-lstm --length", "--length: expected at least one argument"),
            ("evaluate copy ntm-lstm --items 3 --file weights", "--items: copy has --length"),
            ("evaluate copy ntm-lstm --length 0 --file weights", "--length: .*from 1 .*got '0'"),
            ("evaluate copy ntm-lstm --sequences 0 --file weights", "--sequences: .*got '0'"),
            ("evaluate copy ntm-lstm --seed -1 --file weights", "--seed: .*got '-1'"),
        ],
    )
    def test_one_line(self, line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        plan = recipe("copy", "ntm-lstm")
        pretrained.save_file("weights", plan.build(), plan, pretrained.History(), seed=0)
        Path("other").write_bytes(b"something else")
        capsys.readouterr()
        assert call(line) == BAD_INPUT
        printed = capsys.readouterr().err
        *before, last = printed.splitlines()
        assert re.match("ntm-tutorial( train| evaluate)?: error: ", last)
        assert re.search(message, last)
        assert all(line.startswith("Going on from ") for line in before)

    def test_a_checkpoint_of_another_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        plan = recipe("copy", "ntm-lstm")
        train(plan.build(), TASKS["copy"], **plan.training, progress=False, checkpoint="c")
        assert call("train copy ntm-lstm --checkpoint c --seed 1 --no-progress") == BAD_INPUT
        assert (
            "checkpoint: it was made with seed=0, not 1; use another file"
            in capsys.readouterr().err
        )


def test_a_signal_ends_a_real_process_in_order(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ntm_tutorial.lab.cli", "train", "copy", "ntm-feedforward"]
    options = ["--no-progress", "--output", str(tmp_path / "weights")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, *options], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A shell's background job, and so its children, ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    time.sleep(0.1)
    while not signal_is_caught(process.pid, signal.SIGTERM):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == INTERRUPTED, errors
    assert "Traceback" not in errors
    assert "Stopped" in errors


def test_a_signal_inside_exec(tmp_path: Path) -> None:
    """As when it comes while PyTorch, in the first batch, imports what makes data classes."""
    number = int(signal.SIGINT)
    Path("stopped.py").write_text(
        f"""
import os, sys
from ntm_tutorial.lab import cli
cli.Recipe.train = lambda *_, **__: exec("os.kill(os.getpid(), {number})\\nwhile True: pass")
sys.exit(cli.main(["train", "copy", "lstm"]))
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "stopped"], env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=100,
        text=True, capture_output=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert done.returncode == INTERRUPTED
    assert "Stopped" in done.stderr


def signal_is_caught(process: int, number: int) -> bool:
    """Read from Linux whether a process has set its handler."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
