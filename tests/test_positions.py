"""The lab of position codes trains what it says, and the book shows what it recorded."""

from typing import Any

import pytest

from ntm_tutorial.lab.positions import recorded
from ntm_tutorial.models.transformer import POSITIONS
from tools import positions
from tools.positions import MACHINES, Machine


def test_every_machine_has_a_record_that_todays_settings_made() -> None:
    assert len(MACHINES) == 2 * len(POSITIONS)
    assert [machine for machine in MACHINES if not machine.done] == []
    for machine in MACHINES:
        assert list(recorded(machine.frame, machine.positions)) == list(positions.LENGTHS)


def test_only_the_coupled_ones_know_the_delimiter() -> None:
    assert {m.positions for m in MACHINES if m.network["restart"]} == {"coupled"}
    assert all(m.build().settings["positions"] == m.positions for m in MACHINES)  # type: ignore[index]


@pytest.mark.parametrize("frame", positions.FRAMES)
def test_a_machine_is_trained_and_tested(frame: str, monkeypatch: pytest.MonkeyPatch) -> None:
    brief: dict[str, Any] = {"sequences": 8, "batch_size": 4, "validation_sequences": 2}
    monkeypatch.setattr(positions, "SETTINGS", positions.SETTINGS.but(**brief))
    monkeypatch.setattr(positions, "NETWORK", positions.NETWORK | {"width": 8, "heads": 2})
    monkeypatch.setattr(positions, "LENGTHS", (3,))
    told = Machine(frame, "half-windowed").record()
    assert told["history"]["sequences"] == [8]
    assert 0 <= told["lengths"][3]["mean_wrong"] <= 24
