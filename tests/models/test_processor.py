"""What Linux tells of the processor."""

from pathlib import Path

import pytest

from models import processor


def test_a_processor_is_the_first_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux lists each with its name and its instruction sets."""
    listed = tmp_path / "cpuinfo"
    first = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 amx_bf16\nbugs\t\t: spectre\n"
    listed.write_text(f"{first}\nprocessor\t: 1\nmodel name\t: another\nflags\t\t: sse\n")
    monkeypatch.setattr(processor, "PROCESSORS", listed)
    assert processor.name() == "AMD EPYC"
    assert processor.instruction_sets() == {"fpu", "avx2", "amx_bf16"}


def test_nothing_is_known_when_the_system_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Linux has the file, and ARM's has no such lines."""
    listed = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "PROCESSORS", listed)
    assert (processor.name(), processor.instruction_sets()) == ("a CPU", frozenset())
    listed.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert (processor.name(), processor.instruction_sets()) == ("a CPU", frozenset())
