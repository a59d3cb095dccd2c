"""Chapter 6's machine is chapter 5's, and its recorded trainings are those of the page's code."""

from tools import seeds
from tools.links import ROOT
from tools.seeds import tagged

CHAPTERS = ROOT / "notebooks"


def test_the_machine_that_is_trained_is_the_one_that_was_written() -> None:
    written = tagged({"machine"}, CHAPTERS / "05_heads_and_controllers.ipynb")
    (trained,) = tagged({"machine"}, CHAPTERS / "06_training.ipynb")
    assert len(written) == 2, "the eight functions, and the class"
    assert trained == "\n\n\n".join(written)


def test_each_seed_of_each_start_was_trained_with_the_code_on_the_page() -> None:
    chapter = seeds.chapter()
    runs = seeds.recorded()["runs"]
    assert runs.keys() == chapter["STARTS"].keys(), "run `make seeds`"
    exams = seeds.SEQUENCES // 1_000
    for costs in runs.values():
        assert [len(run) for run in costs.values()] == [exams] * seeds.SEEDS
