"""The segmenter: sizes, class mapping, batches, bad items and versions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from models.cards import DEFAULT_MODEL, ModelCard, ModelError, load_card
from models.engines.torch import TorchSegmenter, device_is_lost
from models.segmenter import SegmentationInput, bucket
from pipeline.errors import PhaseFailed
from pipeline.types import CLASSES, Mask, RgbImage, Segmentation

MakeCard = Callable[[dict[str, str]], ModelCard]
TOP = CLASSES.index("top")


def _segment(segmenter: TorchSegmenter, *photos: RgbImage, size_px: tuple[int, int] = (224, 224)) -> list[Segmentation]:
    found = segmenter.segment([SegmentationInput(photo, *size_px) for photo in photos])
    assert all(isinstance(one, Segmentation) for one in found)
    return [one for one in found if isinstance(one, Segmentation)]


def test_labels_are_a_top_when_a_shirt_is_painted(segmenter: TorchSegmenter, shirt: RgbImage, shirt_mask: Mask) -> None:
    """The shipped weights find a painted T-shirt: its silhouette, and that it is a top."""
    (found,) = _segment(segmenter, shirt)
    garment = found.labels >= TOP
    assert (garment & shirt_mask).sum() / (garment | shirt_mask).sum() > 0.93
    assert (found.labels[shirt_mask] == TOP).mean() > 0.95


def test_labels_have_the_asked_size_when_it_differs_from_the_input(segmenter: TorchSegmenter, shirt: RgbImage) -> None:
    """Labels come at the analysed size, the confidence at the logits' size."""
    (found,) = _segment(segmenter, shirt, size_px=(96, 128))
    assert found.labels.shape == (128, 96)
    assert found.labels.dtype == np.uint8
    assert found.confidence is not None
    width_px, height_px = segmenter.input_px
    assert found.confidence.shape == (height_px // 2, width_px // 2)


def test_labels_agree_when_the_photo_comes_larger(segmenter: TorchSegmenter, shirt: RgbImage) -> None:
    """A photo of another size is resized to the input size, with nearly the same labels."""
    (same,) = _segment(segmenter, shirt)
    (larger,) = _segment(segmenter, shirt.repeat(2, axis=0).repeat(2, axis=1))
    assert (same.labels == larger.labels).mean() > 0.99


def test_input_equals_torchvisions_when_prepared(segmenter: TorchSegmenter) -> None:
    """Scaling and normalising are torchvision's ToDtype and Normalize, bit for bit."""
    card = load_card(DEFAULT_MODEL)
    photo = np.random.default_rng(7).integers(0, 256, (card.input_px[1], card.input_px[0], 3), np.uint8)
    theirs = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(card.mean), list(card.std))])
    expected = theirs(torch.from_numpy(photo).permute(2, 0, 1)[None])
    assert torch.equal(segmenter.preprocess([photo]), expected)


def test_bytes_are_equal_when_photos_come_in_a_batch(segmenter: TorchSegmenter, shirt: RgbImage) -> None:
    """On CPU in fp32 a photo's labels and confidence do not depend on its neighbours in the batch."""
    photos = [shirt, shirt[:, ::-1].copy(), 255 - shirt]
    alone = [_segment(segmenter, photo)[0] for photo in photos]
    for one, batched in zip(alone, _segment(segmenter, *photos), strict=True):
        assert one.labels.tobytes() == batched.labels.tobytes()
        assert one.confidence is not None
        assert batched.confidence is not None
        assert one.confidence.tobytes() == batched.confidence.tobytes()


@pytest.mark.parametrize(("dtype", "equal"), [("fp32", 0.995), ("bf16", 0.97)])
def test_labels_agree_when_a_batch_is_one_forward(
    segmenter: TorchSegmenter, shirt: RgbImage, dtype: Any, equal: float
) -> None:
    """One forward pass over several photos gives the labels of single fp32 passes, and nearly so in bf16."""
    photos = [shirt, shirt[:, ::-1].copy()]
    together = TorchSegmenter(load_card(DEFAULT_MODEL), dtype=dtype, threads=1, photos_per_forward=2)
    for one, other in zip(_segment(segmenter, *photos), _segment(together, *photos), strict=True):
        assert (one.labels == other.labels).mean() >= equal


def test_labels_are_ours_when_the_network_has_other_classes(make_card: MakeCard) -> None:
    """Outputs are mapped to our classes, and two of them may mean the same."""
    bright = np.full((48, 32, 3), 200, np.uint8)
    for last, label in (("top", 3), ("bottom", 5)):
        card = make_card({"sky": "background", "wall": "background", "cloth": last})
        (found,) = _segment(TorchSegmenter(card, threads=1), bright, size_px=(10, 20))
        assert np.unique(found.labels).tolist() == [label]


def test_confidence_is_the_softmax_when_classes_are_level(make_card: MakeCard) -> None:
    """A black photo leaves the tiny network's two classes level: 127 of 255."""
    card = make_card({"sky": "background", "cloth": "top"})
    (found,) = _segment(TorchSegmenter(card, threads=1), np.zeros((48, 32, 3), np.uint8))
    assert found.confidence is not None
    assert np.unique(found.confidence).tolist() == [127]


@pytest.mark.parametrize(
    "bad",
    [
        SegmentationInput(np.zeros((48, 32), np.uint8), 9, 9),
        SegmentationInput(np.zeros((48, 32, 4), np.uint8), 9, 9),
        SegmentationInput(np.zeros((0, 32, 3), np.uint8), 9, 9),
        SegmentationInput(np.zeros((48, 32, 3), np.float32), 9, 9),
        SegmentationInput(np.zeros((48, 32, 3), np.uint8), 0, 9),
        SegmentationInput(b"photo", 9, 9),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("at_once", [1, 3])
def test_neighbours_are_served_when_one_item_is_bad(make_card: MakeCard, bad: SegmentationInput, at_once: int) -> None:
    """A bad item gets its own error in its place; the others get their labels."""
    card = make_card({"sky": "background", "cloth": "top"})
    good = SegmentationInput(np.full((48, 32, 3), 200, np.uint8), 9, 9)
    results = TorchSegmenter(card, threads=1, photos_per_forward=at_once).segment([good, bad, good])
    assert isinstance(results[1], PhaseFailed)
    assert "(h, w, 3) of uint8" in results[1].detail
    for index in (0, 2):
        result = results[index]
        assert isinstance(result, Segmentation)
        assert (result.labels == TOP).all()


def test_nothing_is_answered_when_the_batch_is_empty(make_card: MakeCard) -> None:
    """An empty batch is not an error."""
    assert TorchSegmenter(make_card({"sky": "background"}), threads=1).segment([]) == []


def test_version_tells_id_hash_dtype_and_device_when_asked(make_card: MakeCard) -> None:
    """The version has four parts; the hash is the weights' own."""
    card = make_card({"sky": "background", "cloth": "top"})
    segmenter = TorchSegmenter(card, dtype="bf16", threads=1)
    segmenter.warm_up()
    name, weights, dtype, device = segmenter.version.split(":")
    assert (name, dtype, device) == ("tiny", "bf16", "cpu")
    assert len(weights) >= 8
    assert card.sha256.startswith(weights)


def test_segmenter_refuses_when_weights_are_not_the_cards(make_card: MakeCard) -> None:
    """No network is built from weights whose hash is not the card's."""
    with pytest.raises(ModelError, match="sha256"):
        TorchSegmenter(replace(make_card({"sky": "background"}), sha256="0" * 64), threads=1)


# --- stages ---------------------------------------------------------------------------------------------------
def _photos(*sizes_px: tuple[int, int]) -> list[SegmentationInput]:
    return [SegmentationInput(np.full((48, 32, 3), 25 * k, np.uint8), *size) for k, size in enumerate(sizes_px)]


def test_stages_give_what_the_whole_gives_when_run_one_by_one(make_card: MakeCard) -> None:
    """Prepare, infer and answer, as a GPU's three threads run them, are the CPU's one step; each at its own size."""
    card = make_card({"sky": "background", "cloth": "top"})
    segmenter = TorchSegmenter(card, threads=1, photos_per_forward=4)
    photos = _photos((9, 7), (20, 30), (9, 7), (5, 5))
    found = segmenter.answer(segmenter.infer(segmenter.prepare(photos)))
    assert [one.labels.shape for one in found] == [(7, 9), (30, 20), (7, 9), (5, 5)]
    (whole,) = segmenter.stages
    for one, other in zip(found, whole(photos), strict=True):
        assert one.labels.tobytes() == other.labels.tobytes()
        assert one.confidence is not None
        assert other.confidence is not None
        assert one.confidence.tobytes() == other.confidence.tobytes()


def test_batches_are_filled_up_when_sizes_are_compiled(make_card: MakeCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch.compile the network only sees powers of two, and the padding is removed before the answers."""
    seen: list[int] = []

    def compiled(network: Any, *, mode: str, dynamic: bool) -> Any:
        assert (mode, dynamic) == ("max-autotune", False)

        def forward(batch: torch.Tensor) -> Any:
            seen.append(len(batch))
            return network(batch)

        return forward

    monkeypatch.setattr(torch, "compile", compiled)
    card = make_card({"sky": "background", "cloth": "top"})
    segmenter = TorchSegmenter(card, threads=1, photos_per_forward=8, compile_mode="max-autotune")
    for count in (1, 2, 3, 5, 8):
        assert len(_segment(segmenter, *[photo.pixels for photo in _photos(*[(9, 9)] * count)])) == count
    assert seen == [1, 2, 4, 8, 8]


def test_logits_are_copied_when_they_were_compiled(make_card: MakeCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA graph writes each answer into the same memory; the previous batch's logits must not change."""
    memory = torch.zeros(1, 2, 24, 16)
    monkeypatch.setattr(torch, "compile", lambda network, **_how: lambda batch: memory.copy_(network(batch)))
    card = make_card({"sky": "background", "cloth": "top"})
    segmenter = TorchSegmenter(card, threads=1, compile_mode="reduce-overhead")
    dark, bright = (SegmentationInput(np.full((48, 32, 3), value, np.uint8), 9, 9) for value in (0, 250))
    first = segmenter.infer(segmenter.prepare([dark]))
    segmenter.infer(segmenter.prepare([bright]))
    assert first.planes.max() == 0


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), False),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), True),
        (RuntimeError("Given groups=1, expected input[1, 4, 2, 2] to have 3 channels"), False),
        (ValueError("CUDA error: in a name"), False),
    ],
)
def test_the_device_is_lost_when_cuda_will_not_recover(error: Exception, lost: bool) -> None:
    """The device survives too little memory and errors of one item, but not errors that stay with the process."""
    assert device_is_lost(error) == lost


@pytest.mark.parametrize(("count", "filled"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (32, 32), (33, 64)])
def test_a_bucket_is_the_next_power_of_two_when_asked(count: int, filled: int) -> None:
    """A batch is padded to the next power of two."""
    assert bucket(count) == filled


def test_segmenter_refuses_when_there_is_no_such_device(make_card: MakeCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing CUDA device is named before any weights are read."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device is 'cuda', but no CUDA device"):
        TorchSegmenter(make_card({"sky": "background"}), device="cuda")
