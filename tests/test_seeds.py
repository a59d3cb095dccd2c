"""Chapter 6's machine is chapter 5's, and its recorded trainings are those of the page's code."""

import nbformat

from tools import seeds
from tools.links import ROOT
from tools.seeds import tagged

CHAPTERS = ROOT / "notebooks"


def test_the_machine_that_is_trained_is_the_one_that_was_written() -> None:
    written = tagged({"machine"}, CHAPTERS / "05_heads_and_controllers.ipynb")
    (trained,) = tagged({"machine"}, CHAPTERS / "06_training.ipynb")
    assert len(written) == 2, "the nine functions, and the class"
    assert trained == "\n\n\n".join(written)


def test_each_seed_of_each_start_was_trained_with_the_code_on_the_page() -> None:
    chapter = seeds.chapter()
    runs = seeds.recorded()["runs"]
    assert runs.keys() == chapter["STARTS"].keys(), "run `make seeds`"
    exams = seeds.SEQUENCES // 1_000
    for costs in runs.values():
        assert [len(run) for run in costs.values()] == [exams] * seeds.SEEDS


def test_the_quick_start_says_of_its_seeds_what_was_recorded() -> None:
    runs = list(seeds.recorded(seeds.QUICK_START, seeds.QUICK_FILE)["runs"].values())
    assert len(runs) == seeds.QUICK_SEEDS, "run `make seeds`"
    notebook = nbformat.read(seeds.QUICK_START, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    lists, seconds = ([run[name] for run in runs] for name in ("lists", "seconds"))
    *usual, worst = sorted(run["bits"] for run in runs)
    least, some = sorted({run["perfect at 120"] for run in runs} - {0.0})[:2]
    assert max(lists) < 30_000, "all solved"
    assert (
        f"All ten got there, after {min(lists):,} to {max(lists):,} lists "
        f"and {min(seconds):.0f} to {max(seconds):.0f} seconds"
    ) in text
    assert f"nine of the ten seeds cost {usual[0]:.2f} to {usual[-1]:.2f} bits" in text
    assert f"the other costs {worst:.1f} on average" in text
    assert f"six answer at least {some:.0%} of" in text and f"one answers {least:.0%}" in text
    assert sum(run["perfect at 120"] >= some for run in runs) == 6
    assert sum(run["perfect at 120"] == 0 for run in runs) == 3
