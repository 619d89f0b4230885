"""Labelled folders: the grouping of labels, what is refused, and the seeded close-ups."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.labelled import FOLDERS, GROUPS, class_lookup, close_up_box, labelled_photos, product_photos
from pipeline.types import CLASSES


def test_groups_cover_our_classes_when_listed() -> None:
    """The 59 labels fall into our nine classes, each into one; every product folder is one of them."""
    labels = [label for members in GROUPS.values() for label in members.split()]
    assert tuple(GROUPS) == CLASSES
    assert len(labels) == len(set(labels)) == 59
    assert set(FOLDERS.values()) <= set(CLASSES)


def test_lookup_raises_when_a_label_is_unknown() -> None:
    """A label without a class is not silently background."""
    assert class_lookup(["null", "dress", "hat"])[:3].tolist() == [0, 6, 8]
    with pytest.raises(ValueError, match="'spoon'"):
        class_lookup(["null", "spoon"])


def test_photos_come_with_our_labels_when_the_folder_is_annotated(tmp_path: Path) -> None:
    """The bytes are the file's, and the label values are ours."""
    folder = tmp_path / "val"
    for name in ("photos", "labels"):
        (folder / name).mkdir(parents=True)
    Image.new("RGB", (4, 2), "red").save(folder / "photos" / "7.png")
    Image.fromarray(np.array([[0, 1, 1, 0]] * 2, np.uint8)).save(folder / "labels" / "7.png")
    with pytest.raises(ValueError, match=r"labels\.json"):
        list(labelled_photos(folder))
    (tmp_path / "labels.json").write_text(json.dumps(["null", "skirt"]))
    ((data, truth),) = labelled_photos(folder)
    assert data == (folder / "photos" / "7.png").read_bytes()
    assert truth.tolist() == [[0, 5, 5, 0]] * 2


def test_truth_is_the_folders_class_when_a_product_has_no_mask(tmp_path: Path) -> None:
    """A photo in skirt/ is labelled as a bottom; a folder without a known garment is refused."""
    with pytest.raises(ValueError, match="no product photos"):
        list(product_photos(tmp_path))
    (tmp_path / "skirt").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "skirt" / "a.jpg")
    ((_data, truth),) = product_photos(tmp_path)
    assert CLASSES[truth.item()] == "bottom"


def test_close_up_is_the_upper_body_when_a_person_stands_there() -> None:
    """The crop begins below the head, ends above the knees, is the same for the same seed, and lies in the photo."""
    truth = np.zeros((200, 100), np.uint8)
    truth[20:180, 30:70] = 3
    boxes = [close_up_box(truth, np.random.default_rng(seed)) for seed in range(50)]
    assert boxes[0] == close_up_box(truth, np.random.default_rng(0))
    assert len(set(boxes)) > 40
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 100
        assert 28 <= top <= 52
        assert 48 <= bottom - top <= 88


def test_close_up_is_the_whole_photo_when_nobody_is_there() -> None:
    """Without a person the crop is the whole photo."""
    assert close_up_box(np.zeros((40, 60), np.uint8), np.random.default_rng(0)) == (0, 0, 60, 40)
