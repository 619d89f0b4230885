"""The gallery: which photos it takes, how its sheet and its page are put together, and the command."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models.gallery import COLUMN_PX, GAP_PX, index, main, photos_of, sheet
from models.picture import PictureError
from pipeline.picture.looks import look
from pipeline.types import RgbImage


def _looks(text: str) -> list[dict[str, Any]]:
    """The data of a gallery's page."""
    found: list[dict[str, Any]] = json.loads(text.partition('id="looks-data">')[2].partition("</script>")[0])
    return found


def _photo(path: Path, color: str = "navy") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), color).save(path)
    return path


def test_photos_when_folders_are_nested(tmp_path: Path) -> None:
    """Photos of folders within are taken too, by name; other files are not."""
    wanted = [_photo(tmp_path / name) for name in ("a.JPG", "b/c.png", "d.webp")]
    (tmp_path / "notes.txt").write_text("no photo")
    assert photos_of(tmp_path, 24) == wanted


def test_photos_when_there_are_too_many(tmp_path: Path) -> None:
    """The requested number of photos is spread over the folder, not taken from its start."""
    names = [_photo(tmp_path / f"{k}.png").stem for k in range(9)]
    assert [path.stem for path in photos_of(tmp_path, 3)] == [names[0], names[3], names[6]]


def test_photos_when_there_are_none(tmp_path: Path) -> None:
    """An empty and a missing folder each get an error that says so."""
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(PictureError, match="no JPEG, PNG or WebP"):
            photos_of(folder, 24)


def test_sheet_when_pages_differ_in_height() -> None:
    """Every page goes to the end of the shorter of two columns."""
    colors = ("red", "lime", "blue")
    heights_px = (600, 200, 200)
    whole = sheet([Image.new("RGB", (500, height), color) for color, height in zip(colors, heights_px, strict=True)])
    assert whole.size == (2 * COLUMN_PX + 3 * GAP_PX, 1200 + 2 * GAP_PX)
    second = GAP_PX + COLUMN_PX + GAP_PX + 5
    places = [(GAP_PX + 5, 1000), (second, GAP_PX + 5), (second, 2 * GAP_PX + 405)]
    assert [whole.getpixel(place) for place in places] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert sheet([Image.new("RGB", (500, 100))]).width == COLUMN_PX + 2 * GAP_PX


def test_index_when_name_has_signs() -> None:
    """A parser finds each look with its name as written, quotes and brackets too."""
    names = ["plain", 'a "</script><b> & c']
    assert [one["id"] for one in _looks(index([look(name, "", "{}") for name in names]))] == names


def test_command_when_one_photo_is_bad(tmp_path: Path, shirt: RgbImage, capsys: pytest.CaptureFixture[str]) -> None:
    """The valid photos are on pages, sheet and index; the bad one is named, and the exit status is 2."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    Image.fromarray(shirt).save(photos / "shirt.png")
    (photos / "text.jpg").write_text("no picture")
    assert main([str(photos), "-o", str(out)]) == 2
    assert "text.jpg: The file is not a JPEG, PNG, WebP, AVIF or HEIC image" in capsys.readouterr().err
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert written == ["gallery.jpg", "index.html", "pages/shirt.png"]
    with Image.open(out / "gallery.jpg") as whole:
        assert whole.width == COLUMN_PX + 2 * GAP_PX
    (shown,) = _looks((out / "index.html").read_text())
    assert shown["id"] == "shirt"
    assert shown["photo"].startswith("data:image/jpeg;base64,")
    assert shown["answer"]["garments"][0]["mask"]["counts"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--options", '{"colour": 1}'], "/colour: Unknown field."), (["--model", "nobody"], "no model 'nobody'")],
)
def test_command_when_an_argument_is_bad(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad options, an unknown network and an empty folder each get a sentence and exit status 2."""
    assert main([str(tmp_path), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert "no JPEG, PNG or WebP files" in capsys.readouterr().err
