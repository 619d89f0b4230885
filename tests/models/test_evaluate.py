"""The evaluation: hand-counted overlaps, the label grouping, and the command on a painted data set."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.evaluate import GROUPS, Case, class_lookup, main, score
from pipeline.types import CLASSES, Mask, RgbImage, Segmentation


def test_groups_cover_our_classes_when_listed() -> None:
    """The 59 labels fall into our nine classes, each into one."""
    labels = [label for members in GROUPS.values() for label in members.split()]
    assert tuple(GROUPS) == CLASSES
    assert len(labels) == len(set(labels)) == 59


def test_lookup_raises_when_a_label_is_unknown() -> None:
    """A label without a class is not silently background."""
    assert class_lookup(["null", "dress", "hat"])[:3].tolist() == [0, 6, 8]
    with pytest.raises(ValueError, match="'spoon'"):
        class_lookup(["null", "spoon"])


def test_scores_are_the_hand_counted_ones_when_half_is_found() -> None:
    """A top of 80 px found as 40 px of top and 40 px of skirt: IoU .5 for top, 1 for clothes."""
    truth = np.zeros((10, 20), np.uint8)
    truth[1:9, 5:15] = 3
    labels = truth.copy()
    labels[5:9, 5:15] = 5
    labels[0, :10] = 1  # the skin that makes it a worn look
    scores = score([Case(np.zeros((10, 20, 3), np.uint8), Segmentation(labels, None, "test"), truth)])
    assert scores.class_iou["top"] == 0.5
    assert scores.class_iou["bottom"] == 0.0
    assert scores.class_iou["background"] == pytest.approx(110 / 120, abs=5e-4)
    assert (scores.clothes_iou, scores.region_iou, scores.region_purity) == (1.0, 0.5, 1.0)


def test_command_reports_when_given_a_painted_data_set(
    tmp_path: Path, shirt: RgbImage, shirt_mask: Mask, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command decodes photos, runs the default network and prints its scores."""
    for name in ("photos", "labels"):
        (tmp_path / "val" / name).mkdir(parents=True)
    Image.fromarray(shirt).save(tmp_path / "val" / "photos" / "1.png")
    Image.fromarray(shirt_mask.astype(np.uint8)).save(tmp_path / "val" / "labels" / "1.png")
    (tmp_path / "labels.json").write_text(json.dumps(["null", "t-shirt"]))
    assert main([str(tmp_path / "val"), "--threads", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["photos"] == 1
    assert report["clothes_iou"] > 0.95
    assert report["region_class_iou"] > 0.95
