"""The blend of a network before and after training."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.train.blend import blend, main


def test_weights_lie_between_when_two_networks_are_blended() -> None:
    """A share of a quarter lies a quarter of the way; 0 and 1 are the ends."""
    before, after = {"a": torch.zeros(3)}, {"a": torch.tensor([4.0, 8.0, -4.0])}
    assert blend(before, after, 0.25)["a"].tolist() == [1.0, 2.0, -1.0]
    assert torch.equal(blend(before, after, 1.0)["a"], after["a"])
    assert torch.equal(blend(before, after, 0.0)["a"], before["a"])


def test_networks_are_refused_when_they_do_not_fit() -> None:
    """Weights of another shape or name are no network in between."""
    with pytest.raises(ValueError, match="architecture"):
        blend({"a": torch.zeros(3)}, {"a": torch.zeros(4)}, 0.5)
    with pytest.raises(ValueError, match="architecture"):
        blend({"a": torch.zeros(3)}, {"b": torch.zeros(3)}, 0.5)


def test_command_writes_a_run_that_can_be_exported(tmp_path: Path) -> None:
    """The blended run is the run but for its averaged weights."""
    save_file({"a": torch.zeros(2)}, tmp_path / "start.safetensors")
    torch.save({"average": {"a": torch.tensor([2.0, 4.0])}, "step": 5}, tmp_path / "run.pt")
    assert main([str(tmp_path / "run.pt"), "--start", str(tmp_path / "start.safetensors"), "--share", "0.5"]) == 0
    found = torch.load(tmp_path / "blended.pt", weights_only=True)
    assert found["step"] == 5
    assert found["average"]["a"].tolist() == [1.0, 2.0]
