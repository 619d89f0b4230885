"""Material for training: kinds by tags and folders, what is kept aside, and the index."""

import json
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from models.cards import load_card
from models.labelled import EXTRA_FOLDERS, FOLDERS, REVIEWED, is_aside
from models.train.data import Material, Sample, load_samples
from models.train.material import Entry, main, product_photos, read_photo, tagged_photos
from models.train.teacher import LEAST_POSTERIOR, UNKNOWN, Teacher, product_labels, tagged_labels
from pipeline.types import CLASSES, GARMENT_CLASSES, Floats

SKIN, TOP, OUTERWEAR, BOTTOM, FULL_BODY, SHOES = 1, 3, 4, 5, 6, 7


def _posterior(*columns: dict[int, float]) -> Floats:
    """A posterior (9, 1, n) with a column for each pixel."""
    found = np.zeros((len(CLASSES), 1, len(columns)))
    for k, column in enumerate(columns):
        for label, share in column.items():
            found[label, 0, k] = share
    return found


def test_only_tagged_kinds_are_labelled_when_a_photo_has_tags() -> None:
    """The best tagged class wins; where even that is improbable, the pixel is unknown; background needs no tag."""
    seen = _posterior({FULL_BODY: 0.5, TOP: 0.45}, {FULL_BODY: 0.9, TOP: 0.1}, {0: 1.0}, {TOP: 0.8})
    assert tagged_labels(seen, (SKIN, TOP)).tolist() == [[TOP, UNKNOWN, 0, TOP]]
    assert LEAST_POSTERIOR < 0.45


def test_garment_has_the_folders_kind_when_it_lies_flat() -> None:
    """Whatever kinds the teacher sees are one garment; a little skin is its error and unknown."""
    seen = _posterior({0: 1.0}, *[{BOTTOM: 0.4, TOP: 0.4}] * 30, {SKIN: 0.9})
    assert product_labels(seen, FULL_BODY).tolist() == [[0, *[FULL_BODY] * 30, UNKNOWN]]


def test_other_garments_keep_their_kind_when_the_product_is_worn() -> None:
    """Beside a worn top, sure trousers stay trousers and doubtful ones are unknown; a coat is taken for the top."""
    seen = _posterior({SKIN: 1.0}, {TOP: 0.9}, {BOTTOM: 0.9}, {BOTTOM: 0.55, TOP: 0.45}, {OUTERWEAR: 0.9})
    assert product_labels(seen, TOP).tolist() == [[SKIN, TOP, BOTTOM, UNKNOWN, TOP]]
    dress = _posterior({SKIN: 1.0}, {TOP: 0.9}, {BOTTOM: 0.9}, {SHOES: 0.9})
    assert product_labels(dress, FULL_BODY).tolist() == [[SKIN, FULL_BODY, FULL_BODY, SHOES]]


def test_teacher_answers_with_a_posterior_when_it_looks_several_times() -> None:
    """The mean of all passes is a distribution at the photo's size, and mirroring the photo mirrors it."""
    teacher = Teacher(load_card("lite0-parse-384"), (64, 96), device="cpu", threads=1)
    photo = np.random.default_rng(0).integers(0, 256, (60, 40, 3)).astype(np.uint8)
    found = teacher.posterior(photo)
    assert found.shape == (9, 60, 40)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    mirrored = teacher.posterior(np.ascontiguousarray(photo[:, ::-1]))
    np.testing.assert_allclose(mirrored[:, :, ::-1], found, atol=1e-5)


def test_about_a_tenth_is_kept_aside_when_photos_are_numbered() -> None:
    """The id alone decides, so that every preparation keeps the same photos aside."""
    assert [k for k in range(30) if is_aside(f"{k:04}", product=False)] == [7, 17, 27]
    ids = [f"{value:08x}" for value in np.random.default_rng(0).integers(0, 1 << 32, 2000).tolist()]
    assert 0.05 < np.mean([is_aside(one, product=True) for one in ids]) < 0.15


def test_reviewed_photos_have_one_kind_each_when_the_list_is_read() -> None:
    """Every photo sorted by eye stands in the list once, under one of the kinds."""
    reviewed = tomllib.loads(REVIEWED.read_text())
    ids = [one for kind in reviewed.values() for one in kind]
    assert set(reviewed) <= set(GARMENT_CLASSES)
    assert len(ids) == len(set(ids))
    assert set(EXTRA_FOLDERS.values()) | set(FOLDERS.values()) == set(GARMENT_CLASSES)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """One annotated photo, one tagged, a shirt, and a reviewed and an unknown photo in Not_sure."""
    reviewed = tomllib.loads(REVIEWED.read_text())["full_body"][0]
    photos = ("ccp/train/photos/0001", "ccp/tagged/photos/1007", "small/shirt/a", f"extra/Not_sure/{reviewed}")
    for name in (*photos, "extra/Not_sure/unknown"):
        path = tmp_path / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 60), (200, 30, 30)).save(path)
    (tmp_path / "ccp/train/labels").mkdir()
    Image.fromarray(np.full((60, 40), 1, np.uint8)).save(tmp_path / "ccp/train/labels/0001.png")
    (tmp_path / "ccp/labels.json").write_text(json.dumps(["null", "t-shirt", "skin"]))
    (tmp_path / "ccp/tagged/tags.json").write_text(json.dumps({"1007": [0, 1, 2]}))
    return tmp_path


def test_material_is_ready_when_the_command_has_run(folders: Path) -> None:
    """Each photo gets a label map of its size and a line in the index; the second run computes nothing anew."""
    command = [str(folders / "out"), "--annotated", str(folders / "ccp/train"), "--tagged", str(folders / "ccp/tagged")]
    command += ["--products", str(folders / "small"), "--extra", str(folders / "extra"), "--model", "lite0-parse-384"]
    command += ["--sizes", "64", "--threads", "1"]
    assert main(command) == 0
    lines = (folders / "out/index.jsonl").read_bytes().splitlines()
    entries = [msgspec.json.decode(line, type=Entry) for line in lines]
    assert [(one.source, one.label) for one in entries] == [
        ("annotated", None), ("tagged", None), ("product", TOP), ("product", FULL_BODY),
    ]  # fmt: skip
    written = (folders / "out" / entries[0].labels).stat().st_mtime_ns
    assert main(command) == 0
    assert (folders / "out" / entries[0].labels).stat().st_mtime_ns == written
    samples = [*load_samples(folders / "out", aside=False), *load_samples(folders / "out", aside=True)]
    assert sorted(one.source for one in samples) == sorted(one.source for one in entries)
    assert all(one.labels.shape == one.pixels.shape[:2] for one in samples)
    (annotated,) = (one for one in samples if one.source == "annotated")
    assert np.all(annotated.labels == TOP)


def test_command_says_what_is_wrong_when_a_folder_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there is named."""
    assert main([str(tmp_path), "--annotated", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in "".join(capsys.readouterr().out.split())


def test_tags_are_our_classes_when_photos_are_found(folders: Path) -> None:
    """Tags of the data set become classes; an unsorted photo counts where it was reviewed."""
    (photo,) = tagged_photos(folders / "ccp/tagged")
    assert photo.tags == (0, SKIN, TOP)
    assert [one.label for one in product_photos(folders / "extra", EXTRA_FOLDERS)] == [FULL_BODY]


def test_photo_is_turned_upright_when_it_is_read(tmp_path: Path) -> None:
    """Training applies the EXIF orientation, as the service does."""
    photo = Image.new("RGB", (40, 20))
    exif = photo.getexif()
    exif[0x0112] = 6
    photo.save(tmp_path / "a.jpg", exif=exif)
    assert read_photo(tmp_path / "a.jpg", 100).shape == (40, 20, 3)


def test_kinds_are_drawn_by_their_shares_when_products_are_uneven() -> None:
    """Ninety tops and ten dresses are drawn equally often when the recipe says so."""
    blank = np.zeros((4, 4, 3), np.uint8)
    samples = [Sample(blank, np.full((4, 4), label, np.uint8), "product", label) for label in [TOP] * 9 + [FULL_BODY]]
    material = Material(samples, {"product": 1.0}, {"top": 0.5, "full_body": 0.5}, 1.0)
    random = np.random.default_rng(0)
    drawn = [material.draw(random).label for _ in range(400)]
    assert 160 < drawn.count(TOP) < 240
    with pytest.raises(ValueError, match="no photo"):
        Material(samples, {"annotated": 1.0}, {}, 1.0)


def test_one_pieces_are_drawn_more_often_when_the_recipe_weights_them() -> None:
    """Street photos with a one-piece are drawn as many times more often as the recipe says."""
    blank = np.zeros((4, 4, 3), np.uint8)
    samples = [Sample(blank, np.full((4, 4), label, np.uint8), "tagged") for label in (TOP, FULL_BODY)]
    material = Material(samples, {"tagged": 1.0}, {}, 3.0)
    random = np.random.default_rng(0)
    drawn = [int(material.draw(random).labels[0, 0]) for _ in range(400)]
    assert 260 < drawn.count(FULL_BODY) < 340
