"""Model cards: what a network is, where its weights lie, and whether they are the ones."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from pipeline.types import CLASSES, UNKNOWN

WEIGHTS_DIR = Path(__file__).parent / "weights"
DEFAULT_MODEL = "lite0-parse-320"


class ModelError(Exception):
    """A card or its weights cannot be used; the message says which, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One network.

    architecture: a name in `models.networks.u2net_parser.ARCHITECTURES` or `models.loading.FOREIGN`. weights: a file
    of tensors, below the card's folder or by an absolute path; url: where it can be had when it is not packaged.
    sha256, bytes: of that file; empty and 0 where whoever wrote the card never had it: its user then vouches for it,
    in a file `….sha256` beside the weights. classes: the network's outputs in order, each with the class of ours that
    it counts as, or "unknown" for a garment whose kind it does not tell. input_px: (width, height). non_commercial:
    refused unless allowed. metrics: as `models.evaluate` prints them.
    """

    id: str
    version: str
    architecture: str
    weights: str
    sha256: str
    bytes: int
    parameters: int
    classes: dict[str, str]
    input_px: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    non_commercial: bool
    provenance: str
    training: str
    metrics: dict[str, float]
    measured_on: str
    url: str | None = None


def list_cards(folder: Path = WEIGHTS_DIR) -> tuple[ModelCard, ...]:
    """Every card of a folder, by id. Raises ModelError for a card that cannot be read."""
    return tuple(_read(path) for path in sorted(folder.glob("*.json")))


def load_card(model_id: str, folder: Path = WEIGHTS_DIR, *, allow_non_commercial: bool = False) -> ModelCard:
    """One card. Raises ModelError naming the known ids when there is none, and for a licence that is not allowed."""
    path = folder / f"{model_id}.json"
    known = sorted(found.stem for found in folder.glob("*.json"))
    if model_id not in known:
        raise ModelError(f"There is no model '{model_id}'; known are: {', '.join(known)}.")
    card = _read(path)
    if card.non_commercial and not allow_non_commercial:
        raise ModelError(f"The licence of '{card.id}' ({card.licence}) is non-commercial: it must be allowed first.")
    return card


def label_of(name: str) -> int:
    """The label of one of our classes, or of "unknown". Raises ValueError for any other name."""
    return UNKNOWN if name == "unknown" else CLASSES.index(name)


def weights_path(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """Where a card's weights lie, or would lie."""
    return folder / card.weights


def sha256_of(path: Path) -> str:
    """A file's sha256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """The path of a card's weights, size and sha256 checked. Raises ModelError for a missing, cut or wrong file."""
    path = weights_path(card, folder)
    if not path.is_file():
        get = f"; get them with: python -m models.registry fetch {card.id}" if card.url else ""
        raise ModelError(f"The weights of '{card.id}' are missing: {path.name} is not in {path.parent}{get}")
    size = path.stat().st_size
    if card.bytes and size != card.bytes:
        raise ModelError(f"The weights of '{card.id}' have {size} bytes, not {card.bytes}: the file is cut or wrong.")
    if not card.sha256:
        raise ModelError(
            f"Nobody vouches for the weights of '{card.id}': their card knows no sha256. Once you know that they are "
            f"the right ones, write it down: sha256sum {path.name} > {path.name}.sha256, in {path.parent}."
        )
    found = sha256_of(path)
    if found != card.sha256:
        raise ModelError(f"The weights of '{card.id}' have sha256 {found}, not {card.sha256}: they are not used.")
    return path


def _read(path: Path) -> ModelCard:
    try:
        card = msgspec.json.decode(path.read_bytes(), type=ModelCard)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"The card {path.name} cannot be read: {error}.") from error
    unknown = sorted(set(card.classes.values()) - {*CLASSES, "unknown"})
    if unknown:
        raise ModelError(f"The card {path.name} maps to classes that are not ours: {', '.join(unknown)}.")
    return card if card.sha256 else replace(card, sha256=_vouched_for(weights_path(card, path.parent)))


def _vouched_for(weights: Path) -> str:
    """The sha256 that a user wrote beside weights, as the command sha256sum does; empty where there is none."""
    note = weights.with_name(f"{weights.name}.sha256")
    return note.read_text().partition(" ")[0].strip().lower() if note.is_file() else ""
