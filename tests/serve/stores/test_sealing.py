"""Tests that only what was sealed here, for the same use and under the same name, is opened."""

import pytest

from serve.stores.sealing import Seal

SECRET = b"a secret of 32 bytes, as it is. "


@pytest.mark.parametrize("purpose", [None, "answers"])
@pytest.mark.parametrize("tag_bytes", [32, 16])
def test_value_is_opened_when_use_and_name_are_its_own(purpose: str | None, tag_bytes: int) -> None:
    """A value comes back, and none does whose tag, bytes, name, use or secret is another."""
    seal = Seal(SECRET, purpose, tag_bytes=tag_bytes)
    sealed = seal.close("name", b"value")
    assert len(sealed) == tag_bytes + 5
    assert seal.open("name", sealed) == b"value"
    assert seal.open("other", sealed) is None
    assert seal.open("name", sealed[:-1] + b"f") is None
    assert seal.open("name", b"x" + sealed[1:]) is None
    assert Seal(SECRET, "other", tag_bytes=tag_bytes).open("name", sealed) is None
    assert Seal(b"another", purpose, tag_bytes=tag_bytes).open("name", sealed) is None
