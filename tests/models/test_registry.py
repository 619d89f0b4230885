"""The registry reads cards or says why it refuses them, and checks weights before use."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from models.cards import DEFAULT_MODEL, WEIGHTS_DIR, ModelError, list_cards, load_card, verify
from models.networks.table import ARCHITECTURES
from models.registry import main


def _write_card(folder: Path, **changes: Any) -> None:
    card = asdict(load_card(DEFAULT_MODEL)) | {"id": "other"} | changes
    (folder / "other.json").write_text(json.dumps(card))


def test_every_packaged_card_names_its_file_when_listed() -> None:
    """Each card has the name of its id, a known architecture, and either valid weights or an address."""
    cards = list_cards()
    assert DEFAULT_MODEL in [card.id for card in cards]
    for card in cards:
        assert (WEIGHTS_DIR / f"{card.id}.json").is_file()
        assert card.architecture in ARCHITECTURES
        assert card.url or verify(card).stat().st_size == card.bytes


def test_packaged_weights_fit_the_repository_when_weighed() -> None:
    """The default weights take at most 12 MB."""
    assert verify(load_card(DEFAULT_MODEL)).stat().st_size <= 12_000_000


def test_load_card_names_the_known_ids_when_the_id_is_unknown() -> None:
    """An unknown id is answered with the ids that exist."""
    with pytest.raises(ModelError, match=f"no model 'nobody'; known are: .*{DEFAULT_MODEL}"):
        load_card("nobody")


def test_load_card_is_no_path_when_the_id_climbs() -> None:
    """An id cannot reach a card outside the folder."""
    with pytest.raises(ModelError, match="no model"):
        load_card(f"../weights/{DEFAULT_MODEL}")


def test_load_card_refuses_when_non_commercial_is_not_allowed(tmp_path: Path) -> None:
    """A non-commercial licence is refused by default and loads once allowed."""
    _write_card(tmp_path, non_commercial=True, licence="CC-BY-NC-4.0")
    with pytest.raises(ModelError, match=r"'other' \(CC-BY-NC-4.0\) is non-commercial"):
        load_card("other", tmp_path)
    assert load_card("other", tmp_path, allow_non_commercial=True).non_commercial


def test_load_card_refuses_when_a_class_is_not_ours(tmp_path: Path) -> None:
    """A mapping to a class that we do not have is named."""
    _write_card(tmp_path, classes={"bg": "background", "upper": "shirtish"})
    with pytest.raises(ModelError, match=r"unknown classes: shirtish"):
        load_card("other", tmp_path)


@pytest.mark.parametrize("text", ["{", '{"id": "other"}', '{"id": 7}'])
def test_load_card_refuses_when_the_card_is_unreadable(tmp_path: Path, text: str) -> None:
    """Broken JSON, missing fields and wrong types are one clear error that names the file."""
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ModelError, match=r"other\.json cannot be read"):
        load_card("other", tmp_path)


def test_verify_names_the_command_when_weights_are_missing(tmp_path: Path) -> None:
    """The error for missing weights names the command that fetches them; nothing fetches them by itself."""
    card = load_card(DEFAULT_MODEL)
    with pytest.raises(ModelError, match=rf"are missing: {card.weights} is not in {tmp_path}$"):
        verify(card, tmp_path)
    with pytest.raises(ModelError, match=f"fetch them with: python -m models.registry fetch {card.id}$"):
        verify(replace(card, url="https://weights.example/net"), tmp_path)


def test_verify_asks_for_a_word_when_nobody_knows_the_hash(tmp_path: Path) -> None:
    """Weights without a sha256 are not used until their user has written one beside them, which then is checked."""
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"weights")
    _write_card(tmp_path, weights=path.name, sha256="", bytes=0)
    with pytest.raises(ModelError, match=r"Nobody vouches .*sha256sum net\.safetensors > net\.safetensors\.sha256"):
        verify(load_card("other", tmp_path), tmp_path)
    note = tmp_path / "net.safetensors.sha256"
    note.write_text(f"{sha256(b'weights').hexdigest()}  net.safetensors\n")
    assert verify(load_card("other", tmp_path), tmp_path) == path
    note.write_text(f"{sha256(b'others').hexdigest()}  net.safetensors\n")
    with pytest.raises(ModelError, match="they are not used"):
        verify(load_card("other", tmp_path), tmp_path)


def test_a_cards_own_hash_counts_when_another_lies_beside_its_weights(tmp_path: Path) -> None:
    """A note beside the weights cannot overrule what the card says."""
    card = load_card(DEFAULT_MODEL)
    (tmp_path / card.weights).write_bytes(b"weights")
    (tmp_path / f"{card.weights}.sha256").write_text(f"{sha256(b'weights').hexdigest()}  x\n")
    _write_card(tmp_path, bytes=0)
    assert load_card("other", tmp_path).sha256 == card.sha256


def test_verify_tells_the_sizes_when_weights_are_cut(tmp_path: Path) -> None:
    """A cut file is recognised by its length, without hashing it."""
    card = load_card(DEFAULT_MODEL)
    (tmp_path / card.weights).write_bytes(verify(card).read_bytes()[:-1])
    with pytest.raises(ModelError, match=f"{card.bytes - 1} bytes, not {card.bytes}"):
        verify(card, tmp_path)


def test_verify_tells_the_hashes_when_one_bit_differs(tmp_path: Path) -> None:
    """One flipped bit in a file of the right length is found."""
    card = load_card(DEFAULT_MODEL)
    data = bytearray(verify(card).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / card.weights).write_bytes(data)
    with pytest.raises(ModelError, match=f"not {card.sha256}: they are not used"):
        verify(card, tmp_path)


def test_verify_takes_an_absolute_path_when_weights_lie_elsewhere(tmp_path: Path) -> None:
    """Weights may be in another folder than the card."""
    card = load_card(DEFAULT_MODEL)
    elsewhere = tmp_path / "mine.safetensors"
    elsewhere.write_bytes(verify(card).read_bytes())
    assert verify(replace(card, weights=str(elsewhere))) == elsewhere


def test_command_succeeds_when_the_packaged_weights_are_verified(capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` without ids checks all whose weights are here; `list` shows them."""
    assert main(["verify"]) == 0
    assert main(["list"]) == 0
    assert capsys.readouterr().out.count(DEFAULT_MODEL) >= 2


def test_command_fails_when_the_id_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` of an unknown id says so and exits with 1."""
    assert main(["verify", "nobody"]) == 1
    assert "no model 'nobody'" in capsys.readouterr().out


def test_registry_stays_light_when_imported() -> None:
    """Cards can be read without loading torch."""
    code = "import sys, models.registry as r; r.list_cards(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
