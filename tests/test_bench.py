"""The bench measures what it says, on the chapter's own code, and writes what the chapter reads."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ntm_tutorial import recipe
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.speed import compiling
from tests.each import each
from tools import bench
from tools.bench import BATCHES, KINDS, QUICK, RUNGS, Effort, Setting

MOMENT = Effort(repeats=2, seconds=0.01, warm_up=1)


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads beside other tests would wait for each other."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


OURS = {"cpp_wrapper": True, "the package's": "own"}


def small() -> torch.nn.Module:
    return recipe("copy", "ntm-feedforward").build()


def test_every_model_is_measured_and_only_the_ntms_are_compiled() -> None:
    chosen = bench.settings(MODELS, BATCHES, 2)
    assert {(one.model, one.compiled) for one in chosen} == {
        ("ntm-feedforward", False), ("ntm-feedforward", True),
        ("ntm-lstm", False), ("ntm-lstm", True), ("lstm", False),
    }  # fmt: skip
    assert {(one.batch, one.threads) for one in chosen if one.compiled} == {
        (batch, threads) for batch in (1, 16, 64) for threads in (1, 2)
    }


def test_a_machine_with_one_core_measures_one_thread() -> None:
    assert {one.threads for one in bench.settings(MODELS, BATCHES, 1)} == {1}


def test_a_rate_counts_the_calls() -> None:
    calls: list[int] = []
    rates = MOMENT.rates(lambda: calls.append(sum(range(1000))), 3)
    assert [len(found) for found in rates.values()] == [2, 2]
    assert all(0 < rate < 3 * len(calls) / 0.01 for rate in rates["processor"])


@pytest.mark.parametrize("name", ["looped", "batched"])
def test_the_first_rungs_are_the_chapters_code_and_compute_the_same(name: str) -> None:
    model, inputs = small(), torch.rand(3, 2, 9)
    expected, _ = model(inputs)
    with bench._on(name, model, 2) as run:
        assert run.memory_step.__name__ == f"{name}_step"
        torch.testing.assert_close(run(inputs)[0], expected)


@pytest.mark.parametrize(
    ("name", "steps", "options"),
    [
        ("compiled", 1, {"cpp_wrapper": False}),
        ("4 steps a call", 4, {"cpp_wrapper": False}),
        ("from C++", 4, OURS),
    ],
)
def test_the_last_rungs_compile_in_their_own_way(
    name: str, steps: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(torch, "compile", lambda f, **options: given.update(options) or f)
    model, inputs = small(), torch.rand(5, 2, 9)
    expected, _ = model(inputs)
    monkeypatch.setattr(compiling, "options", lambda: OURS)
    with bench._on(name, model, 2, {"more": True}) as run:
        assert steps == compiling.COMPILED_STEPS
        torch.testing.assert_close(run(inputs)[0], expected)
    assert given["options"] == options | {"more": True}


@each(
    ("event", "kind"),
    [
        ("aten::addmm", "products"),
        ("aten::baddbmm_", "products"),
        ("aoti_torch_cpu_mm_out", "products"),
        ("graph_0_cpp_fused_add_mul_0", "merged"),
        ("aten::mul", "others"),
        ("CompiledFunctionBackward", None),
    ],
)
def test_a_profile_is_sorted_by_kind(event: str, kind: str | None) -> None:
    assert bench._kind(event) == kind


def test_a_profile_finds_products_and_other_operations() -> None:
    work = bench.profiled(small(), 2, length=1)
    assert work["products"]["pieces"] > 10 and work["products"]["microseconds"] > 0
    assert work["others"]["microseconds"] > 0
    assert work["merged"] == {"microseconds": 0, "pieces": 0}


def test_a_part_is_printed_and_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    before = bench.FILE.read_bytes()
    bench.main(["--models", "lstm", "--batches", "1", "--quick"])
    first, heading, *lines, last = capsys.readouterr().out.splitlines()
    assert first.startswith("About 0 minutes") and "per second" in heading
    assert all(line.split()[:2] == ["lstm", "1"] for line in lines) and lines
    assert "nothing was written" in last
    assert bench.FILE.read_bytes() == before


def test_what_is_measured_is_written_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    bench.main(["--models", "lstm", "--batches", "1", "2", "--quick", "--output", str(path)])
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["command"] == "make bench" and found["machine"]["processor"]
    for entry in found["throughput"]:
        assert entry["processor"] and entry["wall"] and entry["first_seconds"] > 0
        assert json.dumps(entry) in path.read_text(encoding="utf-8")


def test_without_a_compiler_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise compiling.NotCompiled("no compiler")

    monkeypatch.setattr(bench, "measure", missing)
    with pytest.raises(SystemExit, match="--eager"):
        bench.main(["--quick"])


def test_the_estimate_grows_with_what_is_measured() -> None:
    one, more = [Setting("lstm", 1, 1, False)], bench.settings(MODELS, BATCHES, 2)
    times = [
        bench.minutes(one, False, QUICK),
        bench.minutes(one, False, bench.THOROUGH),
        bench.minutes(more, False, bench.THOROUGH),
        bench.minutes(more, True, bench.THOROUGH),
    ]
    assert times == sorted(times) and times[-1] < 20


def test_the_committed_file_is_whole() -> None:
    found = json.loads(bench.FILE.read_text(encoding="utf-8"))
    assert found["command"] == "make bench", "a stand-in: run make bench"
    measured = {(e["model"], e["batch"], e["threads"], e["compiled"]) for e in found["throughput"]}
    assert measured == {tuple(vars(one).values()) for one in bench.settings(MODELS, BATCHES, 2)}
    assert list(found["ladder"])[: len(RUNGS)] == list(RUNGS), "an older file has one more"
    for rung in found["ladder"].values():
        assert len(rung["processor"]) == bench.THOROUGH.repeats
        assert rung["work"].keys() == set(KINDS)
