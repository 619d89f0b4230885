"""What the processor can do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import processor


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forgets what was read before and after a test."""
    processor.instruction_sets.cache_clear()
    yield
    processor.instruction_sets.cache_clear()


def test_instruction_sets_are_those_of_the_first_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux lists them per processor; all are of one kind."""
    listed = tmp_path / "cpuinfo"
    first, second = "flags\t\t: fpu avx2 amx_bf16\nbugs\t\t: spectre\n", "flags\t\t: sse\n"
    listed.write_text(f"processor\t: 0\n{first}\nprocessor\t: 1\n{second}")
    monkeypatch.setattr(processor, "PROCESSORS", listed)
    assert processor.instruction_sets() == {"fpu", "avx2", "amx_bf16"}


def test_no_instruction_set_is_known_when_the_system_tells_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only Linux has the file, and ARM's has no such line."""
    listed = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "PROCESSORS", listed)
    assert processor.instruction_sets() == frozenset()
    processor.instruction_sets.cache_clear()
    listed.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert processor.instruction_sets() == frozenset()
