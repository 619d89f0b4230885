"""Tests decoding in a child: its results are the core's, and hostile photos harm nothing else."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.backfill.decoder import Decoder, DecoderDied
from pipeline.errors import ImageTooComplex, ImageTruncated, ImageUndecodable, UnsupportedMedia
from pipeline.image.child import child_command
from pipeline.image.decode import decode_image
from pipeline.image.limits import DEFAULT_LIMITS, ImageLimits
from tests.pipeline.backfill.catalogue import COLORS, painted

PHOTO = painted(COLORS[0], side_px=300)
HOSTILE = Path(__file__).with_name("hostile_decoder.py")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    """A real decoder."""
    made = Decoder(cpu_s=20.0)
    yield made
    made.close()


class HostileDecoder(Decoder):
    """A decoder whose child obeys photos as commands."""

    @staticmethod
    def command(memory_bytes: int, limits: ImageLimits = DEFAULT_LIMITS) -> tuple[str, ...]:
        """The child's command line with the test's program in place of the module."""
        return (sys.executable, str(HOSTILE), *child_command(memory_bytes, limits)[3:])


@pytest.fixture
def hostile() -> Iterator[Decoder]:
    """A decoder whose photos are commands, with little time and memory."""
    made = HostileDecoder(cpu_s=1.0, memory_bytes=400 * 1024 * 1024)
    yield made
    made.close()


def _child() -> psutil.Process:
    (found,) = (one for one in psutil.Process().children() if "pipeline.image.child" in one.cmdline())
    return found


@pytest.mark.parametrize("network_px", [None, (224, 224), (50, 80)])
def test_a_photo_is_the_cores_own_when_it_comes_from_the_child(
    decoder: Decoder, network_px: tuple[int, int] | None
) -> None:
    """The child's photo equals that of `decode_image` in this process."""
    here, there = decode_image(PHOTO, network_px=network_px), decoder.decode(PHOTO, network_px)
    assert (there.width, there.height, there.mask) == (here.width, here.height, None)
    assert np.array_equal(there.pixels, here.pixels)
    assert (there.network is None) == (here.network is None)
    if here.network is not None and there.network is not None:
        assert np.array_equal(there.network, here.network)


def test_a_refusal_is_the_cores_own_when_it_comes_from_the_child(decoder: Decoder) -> None:
    """An error keeps its kind and its detail, and the child stays alive."""
    with pytest.raises(ImageTruncated, match=r"ends before its last pixel\."):
        decoder.decode(PHOTO[: len(PHOTO) // 2], None)
    with pytest.raises(UnsupportedMedia):
        decoder.decode(b"GIF89a", None)
    assert decoder.decode(PHOTO, None).width == 300


def test_a_fresh_child_decodes_when_the_old_one_was_killed(decoder: Decoder) -> None:
    """A photo is decoded even if its child was killed."""
    decoder.decode(PHOTO, None)
    child = _child()
    os.kill(child.pid, signal.SIGKILL)
    assert decoder.decode(PHOTO, None).width == 300


def test_a_photo_is_refused_when_it_crashes_two_children(hostile: Decoder) -> None:
    """A photo that crashes two children is refused, and the next photo gets a fresh child."""
    with pytest.raises(ImageUndecodable):
        hostile.decode(b"crash", None)
    assert hostile.decode(PHOTO, None).width == 300


def test_a_death_is_not_the_photos_fault_when_it_was_a_kill(hostile: Decoder) -> None:
    """Two kills in a row do not blame the photo."""
    with pytest.raises(DecoderDied):
        hostile.decode(b"kill", None)


def test_a_photo_is_refused_when_it_takes_too_much_time(hostile: Decoder) -> None:
    """A photo that takes too much CPU time is refused, and the next photo gets a fresh child."""
    with pytest.raises(ImageTooComplex, match="1 s allowed"):
        hostile.decode(b"loop", None)
    assert hostile.decode(PHOTO, None).width == 300


def test_a_photo_is_refused_when_it_takes_too_much_memory(hostile: Decoder) -> None:
    """A photo that needs more memory than the child may use is refused."""
    with pytest.raises(ImageTooComplex):
        hostile.decode(b"bloat", None)


def test_the_child_ends_when_its_decoder_is_closed(decoder: Decoder) -> None:
    """No child is left after `close`."""
    decoder.decode(PHOTO, None)
    child = _child()
    decoder.close()
    assert not child.is_running()


def test_the_child_has_no_secrets_when_it_starts(hostile: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's environment has what imports need, and no secrets."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    with pytest.raises(ImageUndecodable) as raised:
        hostile.decode(b"environment", None)
    names = set(raised.value.detail.split())
    assert "PYTHONPATH" in names
    assert not any(name.startswith("AWS") for name in names)
