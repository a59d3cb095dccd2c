"""The command line: ``ntm-tutorial train | sweep | evaluate | list``."""

import argparse
import inspect
import itertools
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from ntm_tutorial import pretrained, storage
from ntm_tutorial.evaluation import SEEDS, evaluate
from ntm_tutorial.lab import results, sweeps
from ntm_tutorial.models import FAMILIES, SequenceModel
from ntm_tutorial.recipes import ALL_RECIPES, LIVES, Recipe, recipe
from ntm_tutorial.tasks import ALL_TASKS
from ntm_tutorial.training import History

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
"""Exit codes, as shells have them."""

DIFFICULTIES: dict[str, list[str]] = {
    name: [task.name for task in ALL_TASKS.values() if name in task.training_range]
    for name in dict.fromkeys(name for task in ALL_TASKS.values() for name in task.training_range)
}
"""Which tasks have which."""

ALL = "all"
"""Stands for every task, or for every model."""

LONGEST = 100_000
"""No test asks for more vectors in a sequence; a batch of those would not fit into memory."""

DESCRIPTION = "Train and test Neural Turing Machines, and the models that they are compared with."

EXAMPLES = """\
examples:
  ntm-tutorial list
  ntm-tutorial train copy ntm-lstm
  ntm-tutorial sweep copy ntm-lstm --seeds 20
  ntm-tutorial evaluate copy ntm-lstm --length 10 20 50 120
"""

TRAIN_EXAMPLES = """\
examples:
  ntm-tutorial train copy ntm-feedforward
  ntm-tutorial train copy ntm-lstm --seed 3 --output copy-3.safetensors
  ntm-tutorial train priority-sort lstm --device cuda
  ntm-tutorial train copy ntm-lstm --sequences 20000 --no-progress > log.txt
"""

SWEEP_EXAMPLES = """\
examples:
  ntm-tutorial sweep copy ntm-lstm --seeds 20 --jobs 4
  ntm-tutorial sweep copy ntm-feedforward --live --set stop_at=none sequences=50000
  ntm-tutorial sweep copy ntm-lstm --set learning_rate=1e-3,3e-3 network.memory_locations=64,128
  ntm-tutorial sweep copy ntm-lstm --seeds 100 --dask tcp://scheduler:8786
  ntm-tutorial sweep copy all --summary
  ntm-tutorial sweep all all --jobs 2
"""

EVALUATE_EXAMPLES = """\
examples:
  ntm-tutorial evaluate copy ntm-feedforward --length 10 20 30 50 120
  ntm-tutorial evaluate repeat-copy ntm-lstm --length 10 20 --repeats 10 20
  ntm-tutorial evaluate copy ntm-lstm --length 120 --sequences 1000 --seed 7
  ntm-tutorial evaluate copy ntm-lstm --length 50 --file copy-3.safetensors
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, OSError) as error:
        print(f"ntm-tutorial: error: {error}", file=sys.stderr)
        return BAD_INPUT
    except FloatingPointError as error:
        print(f"ntm-tutorial: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def train_command(options: argparse.Namespace) -> int:
    """Train one model with its recipe from ntm_tutorial/recipes.py, and write its weights.

    All work is saved at every validation. After Ctrl-C, SIGTERM, or a crash, give the same command
    again: it goes on from there, and ends exactly as if it had never stopped.

    Raises:
        ValueError: if an option does not fit the others, or no recipe fits.
    """
    plan = recipe(options.task, options.model)
    if options.sequences is not None:
        plan = plan.but(sequences=options.sequences)
    seed = plan.seed if options.seed is None else options.seed
    output = options.output or Path(f"{plan.task}_{plan.model}.safetensors")
    checkpoint = options.checkpoint or Path(f"{output}.checkpoint")
    for option, file in (("--output", output), ("--checkpoint", checkpoint)):
        if output.resolve() == checkpoint.resolve() or (file.exists() and not file.is_file()):
            raise ValueError(f"{option}: expected a file of its own, got {file}")
        with sweeps.blaming(option):
            storage.check_folder(file.parent)
    if checkpoint.exists():
        with sweeps.blaming("--checkpoint"):
            storage.load(checkpoint)
        print(f"Going on from {checkpoint}.", file=sys.stderr)
    model = plan.build(seed).to(options.device)
    try:
        with _signals_stop():
            history = plan.train(
                model,
                seed=seed,
                compile=options.compile,
                progress=options.progress,
                checkpoint=checkpoint,
                on_validation=None if options.progress else _print_validation,
            )
            pretrained.save_file(output, model, plan, history, seed)
            checkpoint.unlink(missing_ok=True)
    except KeyboardInterrupt:
        print(_how_to_resume(checkpoint), file=sys.stderr)
        raise
    print(f"Trained on {history.sequences[-1]} sequences.", end=" ")
    lowest = history.lowest(plan.training.get("harden_after") or 0)
    print(f"Best validation: {lowest:.4g} bits per sequence.")
    print(f"Wrote {output}. The package looks for its own in {pretrained.FOLDER}.")
    print(f"Test it: ntm-tutorial evaluate {plan.task} {plan.model} --file {output}")
    return 0


def sweep_command(options: argparse.Namespace) -> int:
    """Train a recipe from many seeds, and with other settings, several runs at a time.

    Each run's result is one file, OUTPUT/TASK_MODEL/SETTINGS/seed-NN.json, its weights beside it. A
    run that has its result is done. All work is saved at every validation: after Ctrl-C, SIGTERM,
    or a crash, give the same command again.

    Raises:
        ValueError: if an option does not fit the others, or no recipe fits.
    """
    wanted, folder = _wanted(options), options.output
    if not options.summary:
        with sweeps.blaming("--output"):
            storage.check_folder(folder)
        _announce(wanted, folder, options.jobs)
        try:
            with _signals_stop():
                sweeps.carry_out(
                    wanted,
                    folder,
                    jobs=options.jobs,
                    dask=options.dask,
                    compile=options.compile,
                    device=options.device,
                    progress=options.progress,
                )
        except (KeyboardInterrupt, TerminatedWorkerError) as stop:
            killed = isinstance(stop, TerminatedWorkerError)
            print("\nA worker was killed, perhaps for want of memory: try fewer --jobs."
                  if killed else "\nStopped.", file=sys.stderr)  # fmt: skip
            print(f"What is done is in {folder}; to go on from there, give the same command again.",
                  file=sys.stderr)  # fmt: skip
            if killed:
                return FAILED
            raise
    settings = {run.setting for run in wanted}
    found = [result for result in results.load(folder) if result.setting in settings]
    if not found:
        raise ValueError(f"--output: {folder} has no results of these runs")
    for task, rows in itertools.groupby(results.summarize(found), lambda row: row.task):
        print(_table(task, list(rows)))
        print(_draw([result for result in found if result.task == task], folder))
    return 0


def _draw(found: list[results.Result], folder: Path) -> str:
    """Draw all learning curves of a task, and say where the picture is."""
    from ntm_tutorial import plots  # nothing else here needs matplotlib, which is slow to import

    curves: dict[str, list[History]] = {}
    for result in found:
        if result.history.sequences:
            name = result.setting.removeprefix(f"{result.task}_")
            curves.setdefault(name, []).append(result.curve)
    if not curves:
        return ""
    plots.use_style()
    path = folder / f"{found[0].task}.svg"
    goal = results.SCORING[found[0].task].goal
    plots.learning_curves(curves, goal=goal).savefig(path)
    return f"Learning curves: {path}"


def _wanted(options: argparse.Namespace) -> list[sweeps.Run]:
    """List the runs that the options ask for."""
    settings: dict[str, list[Any]] = {}
    also = [] if options.sequences is None else [f"sequences={options.sequences}"]
    for name, values in map(sweeps.parse_setting, options.settings + also):
        if name in settings:
            raise ValueError(f"--set: {name} is given twice; several values go as {name}=1,2")
        settings[name] = values
    plans = [
        plan
        for plan in (LIVES if options.live else ALL_RECIPES).values()
        if options.task in (plan.task, ALL) and options.model in (plan.model, ALL)
    ]
    if not plans and options.live:
        known = " or ".join(map(" ".join, LIVES))
        raise ValueError(f"--live: expected {known}, got {options.task} {options.model}")
    if not plans:
        recipe(options.task, options.model)  # says which there are
    found = []
    for plan in plans:
        first, count = options.first_seed, options.seeds
        if first is None:
            first = plan.seed if count is None else 0
        found += sweeps.runs(
            plan.task,
            plan.model,
            seeds=range(first, first + (count or 1)),
            live_recipe=options.live,
            settings=settings,
        )
    for _, alike in itertools.groupby(found, lambda run: run.setting):
        sweeps.check(next(alike))
    return found


def _announce(wanted: list[sweeps.Run], folder: Path, jobs: int) -> None:
    """Say how many runs there are to do, and how long they may take."""
    left = sweeps.expected_seconds(wanted, folder)
    rows: list[list[Any]] = [["runs", "done", "to come", ""]]
    pairs = zip(wanted, left, strict=True)
    for setting, group in itertools.groupby(pairs, lambda pair: pair[0].setting):
        seconds = [time for _, time in group]
        rows.append([len(seconds), seconds.count(0.0), _duration(seconds), setting])
    if len(rows) > 2:
        rows.append([len(left), left.count(0.0), _duration(left), "together"])
    print(_columns(rows), file=sys.stderr)
    known = [time for time in left if time is not None]
    if any(known):
        longest = max(sum(known) / jobs, *known)
        about = "About" if len(known) == len(left) else "Over"
        print(f"{about} {_duration([longest])}, {jobs} at a time. Results go to {folder}.",
              file=sys.stderr)  # fmt: skip


def _duration(seconds: list[float | None]) -> str:
    """Say how long several things take together, such as ``"40 s"``, ``"12 min"``, ``"3.5 h"``."""
    known = [time for time in seconds if time is not None]
    total, over = sum(known), "over " if len(known) < len(seconds) else ""
    if over and not total:
        return "unknown"
    if total < 90:
        return f"{over}{total:.0f} s"
    return over + (f"{total / 60:.0f} min" if total < 5400 else f"{total / 3600:.1f} h")


def _table(task: str, summaries: list[results.Summary]) -> str:
    """Write a row for each setting: how often solved, after what time, and how good it is."""
    scoring = results.SCORING[task]
    above = " above the optimum" if task == "dynamic-ngrams" else ""
    tests = list(dict.fromkeys(test for one in summaries for test in one.scores))
    rows: list[list[Any]] = [
        ["runs", "reached", "solved", "relapses", "NaN", "sequences", "processor s", *tests, ""]
    ]
    for one in summaries:
        counts = [one.runs, one.reached, one.solved, one.relapses, one.not_finite]
        times = [results.spread(values, ",.0f") for values in (one.sequences, one.seconds)]
        scores = [results.spread(one.scores.get(test, ())) for test in tests]
        rows.append([*counts, *times, *scores, one.setting])
    return (
        f"\n{task}: runs that reached {scoring.goal:g} bits per validation sequence{above}; solved "
        f"if they stayed there for {results.HOLD:,} sequences.\nOf the solved ones, sequences and "
        f"processor seconds to the goal; of all, {'bits' if above else 'wrong bits'}{above} on "
        f"test sequences: median (range).\n{_columns(rows)}"
    )


def _columns(rows: list[list[Any]]) -> str:
    """Align a table to the right, but for its last column."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(
            [cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)] + row[-1:]
        ).rstrip()
        for row in texts
    )


class _Stopped(KeyboardInterrupt):
    """A signal has asked the process to end.

    Not a plain ``KeyboardInterrupt``: if one arises inside ``exec``, as it may while PyTorch
    imports its own parts, Python kills its process at the end in place of giving the exit code.
    """


@contextmanager
def _signals_stop() -> Iterator[None]:
    """Treat SIGTERM, which asks a process to end, as Ctrl-C."""
    alarm = getattr(signal, "alarm", lambda seconds: None)  # which Windows lacks

    def stop(number: int, frame: Any) -> NoReturn:
        alarm(5)  # where Python loses the exception, as inside a finaliser, it comes once more
        raise _Stopped

    numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGALRM", signal.SIGTERM)}
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_validation(history: History) -> None:
    bits, wrong = history.validation_bits[-1], history.validation_wrong[-1]
    print(
        f"{history.sequences[-1]:9} sequences {history.seconds[-1]:9.1f} s"
        f" {bits:11.4f} bits per sequence {wrong:9.3f} wrong",
        flush=True,
    )


def _how_to_resume(checkpoint: Path) -> str:
    if not checkpoint.is_file():
        return "\nStopped before the first validation, so nothing was saved."
    _, about = storage.load(checkpoint)
    return (
        f"\nStopped. {checkpoint} holds the first {about['seen']} sequences; "
        "to go on from there, give the same command again."
    )


def evaluate_command(options: argparse.Namespace) -> int:
    """Test a trained model on fresh random sequences, at each difficulty asked for.

    Several values make several rows. A difficulty that is left out is drawn from the training
    range.

    Raises:
        ValueError: if the file holds another model, or the task has no such difficulty.
    """
    if options.file is None:
        found = pretrained.load(options.task, options.model)
    else:
        with sweeps.blaming("--file"):
            found = pretrained.load_file(options.file)
        pair = (found.recipe.task, found.recipe.model)
        if pair != (options.task, options.model):
            raise ValueError(f"--file: {options.file} holds {' '.join(pair)}")
    asked = {name: values for name in DIFFICULTIES if (values := getattr(options, name))}
    for name in asked:
        if name not in found.task.training_range:
            names = " and ".join(f"--{name}" for name in found.task.training_range)
            raise ValueError(f"--{name}: {options.task} has {names}")

    # Repeats make a sequence longer by a factor; answers come after the items, and are fewer.
    sizes = {name: max(values) for name, values in asked.items() if name != "answers"}
    if math.prod(sizes.values()) > LONGEST:
        names = " times ".join(f"--{name}" for name in sizes)
        raise ValueError(f"{names}: expected at most {LONGEST:,} in all")

    rows = [dict(zip(asked, values, strict=True)) for values in itertools.product(*asked.values())]
    for row in rows:  # before the first of them takes its time
        found.task.sample(1, **row)
    print(
        f"{options.task}, {options.model}: {options.sequences} sequences a row, seed {options.seed}"
    )
    header = [*asked, "bits asked", "mean wrong", "median", "perfect", "mean bits"]
    print("  ".join(f"{title:>10}" for title in header))
    for row in rows:
        result = evaluate(
            found.model, found.task, sequences=options.sequences, seed=options.seed, **row
        )
        cells = [str(value) for value in row.values()] + [
            f"{result.asked.double().mean():.0f}",
            f"{result.mean_wrong:.3f}",
            f"{result.median_wrong:g}",
            f"{result.share_perfect:.1%}",
            f"{result.mean_bits:.4g}",
        ]
        print("  ".join(f"{cell:>10}" for cell in cells))
    return 0


def list_command(options: argparse.Namespace) -> int:
    """List all tasks and models, which of them come trained, and their settings."""
    trained = pretrained.available()
    row = "{:19} {:16} {:8}" + 2 * " | {:>5} {:>10} {:>8} {:>10}" + " {:>6} {:>10}"
    print(row.format("", "", "", "paper", "", "", "", "ours", "", "", "", "", "").rstrip())
    settings = ("heads", "controller", "rate", "parameters")
    print(row.format("task", "model", "trained", *settings, *settings, "batch", "sequences"))
    for (task, model), plan in ALL_RECIPES.items():
        paper, training = plan.paper, plan.training
        heads, controller, parameters = _network(plan)
        theirs = ("-",) * 4 if paper is None else (
            paper.heads or "-", paper.controller, paper.learning_rate, f"{paper.parameters:,}"
        )  # fmt: skip
        cells = [
            task, model, "yes" if (task, model) in trained else "no", *theirs,
            heads or "-", controller, training["learning_rate"], f"{parameters:,}",
            training["batch_size"], f"{training['sequences']:,}",
        ]  # fmt: skip
        print(row.format(*map(str, cells)))
    print("\nHeads count pairs of a read and a write head. The paper trained with RMSProp; we use")
    print("Adam unless a recipe says otherwise. All settings: ntm_tutorial/recipes.py")
    return 0


def _network(plan: Recipe) -> tuple[int, str, int]:
    """Return our heads, controller and number of parameters, as the paper writes them."""
    with torch.device("meta"):  # sizes alone
        model = plan.build()
    settings = cast(SequenceModel, model).settings
    layers = settings.get("layers") or settings.get("controller_layers", 1)
    sizes = ("hidden_size", "controller_size", "width")
    size = next((settings[name] for name in sizes if name in settings), "-")
    controller = f"{layers} x {size}" if layers > 1 else str(size)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return settings.get("read_heads", 0), controller, parameters


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    layout: dict[str, Any] = {
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,  # --seed is no --seeds
    }
    parser = _Parser("ntm-tutorial", description=DESCRIPTION, epilog=EXAMPLES, **layout)
    parser.add_argument("--version", action="version", version=version("ntm-tutorial"))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def new(does: Callable[..., int], about: str, examples: str, *more: str) -> Any:
        name = does.__name__.removesuffix("_command")
        text = inspect.cleandoc(does.__doc__ or "").partition("\n\nRaises:")[0]
        command = commands.add_parser(name, help=about, description=text, epilog=examples, **layout)
        command.set_defaults(command=does)
        for what, known in (("task", ALL_TASKS), ("model", FAMILIES)) if examples else ():
            names = [*known, *more]
            command.add_argument(what, choices=names, metavar=what.upper(), help=", ".join(names))
        return command.add_argument

    add = new(train_command, "train one model", TRAIN_EXAMPLES)
    add("--seed", type=_seed, metavar="N", help="of every random draw (default: the recipe's)")
    add("--sequences", type=_whole(1, 10**12), metavar="N",
        help="how many to train on (default: the recipe's)")  # fmt: skip
    add("--output", type=Path, metavar="FILE",
        help="weights, replaced if there (default: TASK_MODEL.safetensors)")  # fmt: skip
    add("--checkpoint", type=Path, metavar="FILE",
        help="work so far, removed at the end (default: OUTPUT.checkpoint)")  # fmt: skip
    add("--no-progress", dest="progress", action="store_false",
        help="print a line for each validation instead of a progress bar")  # fmt: skip
    add("--compile", action="store_true",
        help="use torch.compile: an NTM takes a minute to start, then is much faster")  # fmt: skip
    add("--device", type=_device, default="cpu", help="such as cpu or cuda (default: cpu)")

    add = new(sweep_command, "train many times", SWEEP_EXAMPLES, ALL)
    add("--seeds", type=_whole(1, 10_000), metavar="N",
        help="how many seeds, from 0 on (default: the recipe's one, mostly 0)")  # fmt: skip
    add("--first-seed", type=_seed, metavar="N", help="the first of them, if it is not to be 0")
    add("--set", dest="settings", nargs="+", action="extend", default=[], metavar="NAME=VALUE",
        help="another setting of train(), of the network as in network.memory_locations=64, or "
        "of the recipe's input gains as in gain.repeats=1; "
        "with several values, as in ramp=0,9000, each is tried")  # fmt: skip
    add("--sequences", type=_whole(1, 10**12), metavar="N", help="the same as --set sequences=N")
    add("--live", action="store_true", help="the quick recipe for copy, which chapter 6 names")
    add("--jobs", type=_whole(1, 1_000), default=1, metavar="N",
        help="runs at a time (default: 1)")  # fmt: skip
    add("--dask", type=_address, metavar="ADDRESS",
        help="run them on this Dask cluster, such as tcp://host:8786")  # fmt: skip
    add("--output", type=Path, default=Path("results"), metavar="FOLDER",
        help="where results go (default: results)")  # fmt: skip
    add("--compile", action=argparse.BooleanOptionalAction, default=False,
        help="use torch.compile, which takes a minute for each run to start")  # fmt: skip
    add("--device", type=_device, default="cpu", help="such as cpu or cuda (default: cpu)")
    add("--summary", action="store_true", help="only show what the results so far say")
    add("--no-progress", dest="progress", action="store_false", help="show no progress bar")

    add = new(evaluate_command, "test a trained model", EVALUATE_EXAMPLES)
    for name, tasks in DIFFICULTIES.items():
        add(f"--{name}", type=_whole(1, LONGEST), nargs="+", metavar="N",
            help=f"difficulty of {', '.join(tasks)}")  # fmt: skip
    add("--sequences", type=_whole(1, 10**7), default=200, metavar="N",
        help="how many a row (default: 200)")  # fmt: skip
    add("--seed", type=_seed, default=0, metavar="N", help="which sequences (default: 0)")
    add("--file", type=Path, metavar="FILE", help="weights (default: those of the package)")

    new(list_command, "list tasks, models, settings", "")
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number of this range, or says what is wrong with it."""

    def read(text: str) -> int:
        with suppress(ValueError):
            if low <= (value := int(text)) <= high:
                return value
        raise argparse.ArgumentTypeError(
            f"expected a whole number from {low} to {high:,}, got {text[:40]!r}"
        )

    return read


_seed = _whole(0, SEEDS - 1)


def _address(text: str) -> str:
    if not re.fullmatch(r"(\w+://)?([\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"expected such as tcp://host:8786, got {text!r}")
    return text


def _device(name: str) -> torch.device:
    try:
        torch.zeros(1, device=name).item()  # which a device without memory cannot
        return torch.device(name)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise argparse.ArgumentTypeError(f"there is no {name!r} here to train on") from None


if __name__ == "__main__":
    sys.exit(main())
