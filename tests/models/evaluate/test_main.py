"""The quality report: the command on a painted data set, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.cards import DEFAULT_MODEL
from models.evaluate.__main__ import WHOLE_IMAGE, main
from models.evaluate.timing import ENGINE, REPORTED
from models.labelled import is_aside
from pipeline.types import Mask, RgbImage


@pytest.fixture
def painted(tmp_path: Path, shirt: RgbImage, shirt_mask: Mask) -> Path:
    """Two annotated shirts, one product photo, and a hoodie of the full data set that is kept aside."""
    for name in ("val/photos", "val/labels", "products/t-shirt"):
        (tmp_path / name).mkdir(parents=True)
    for name, step in (("1", 1), ("2", -1)):
        Image.fromarray(shirt[:, ::step]).save(tmp_path / "val" / "photos" / f"{name}.png")
        Image.fromarray(shirt_mask[:, ::step].astype(np.uint8)).save(tmp_path / "val" / "labels" / f"{name}.png")
    Image.fromarray(shirt).save(tmp_path / "products" / "t-shirt" / "1.jpg", quality=95)
    aside = next(name for name in (f"{k:06x}" for k in range(100)) if is_aside(name, product=True))
    (tmp_path / "extra" / "Hoodie").mkdir(parents=True)
    Image.fromarray(shirt).save(tmp_path / "extra" / "Hoodie" / f"{aside}.jpg", quality=95)
    (tmp_path / "extra" / "labels.csv").write_text(f"image,label,kids\n{aside},Hoodie,True\n")
    (tmp_path / "labels.json").write_text(json.dumps(["null", "t-shirt"]))
    return tmp_path


def test_command_reports_networks_side_by_side_when_given_painted_photos(
    painted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default network finds the shirt, no network does not; the table, the JSON and the sheet are written."""
    sheet, figures = painted / "sheet.png", painted / "report.json"
    asked = [
        str(painted / "val"),
        "--products",
        str(painted / "products"),
        "--extra",
        str(painted / "extra"),
        "--model",
        DEFAULT_MODEL,
        "--threads",
        "1",
    ]
    assert main([*asked, "--sheet", str(sheet), "--json", str(figures), "--markdown", str(painted / "table.md")]) == 0
    network, nothing = json.loads(figures.read_text())
    assert (network["model"], nothing["model"]) == (DEFAULT_MODEL, WHOLE_IMAGE)
    assert network["photos"] == 2
    assert network["full"]["value"] > 0.85 > 0.6 > nothing["full"]["value"]
    assert network["palette"]["value"] < 1 < nothing["palette"]["value"]
    assert set(network["times_ms"]) == {REPORTED, ENGINE}
    assert nothing["times_ms"] == {}
    assert nothing["product"] is None
    assert network["found"]["skin"] == network["found"]["shown"] == 0
    assert 0 <= network["drawings"] <= 1
    assert (
        (painted / "table.md")
        .read_text()
        .startswith(f"|  | {DEFAULT_MODEL} | {WHOLE_IMAGE} |\n|---|---|---|\n| clothes IoU")
    )
    assert {name: count for name, (_share, count) in network["sets"].items()} == {
        "children's clothes": 1,
        "other folders": 1,
    }
    with Image.open(sheet) as picture:
        assert picture.width == 1800
    assert "clothes IoU, full body" in capsys.readouterr().out


def test_command_refuses_when_the_folder_is_no_annotated_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without photos/ is named, with what it needs."""
    assert main([str(tmp_path)]) == 1
    assert "photos/, labels/" in " ".join(capsys.readouterr().out.split())
