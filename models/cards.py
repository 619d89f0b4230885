"""Model cards: what a network is, where its weights are, and how they are verified."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from pipeline.types import CLASSES, UNKNOWN

WEIGHTS_DIR = Path(__file__).parent / "weights"
DEFAULT_MODEL = "lite2-parse-384"
# The tensor of an ONNX file up to which an engine computes in fp32.
EXACT = "exact"


class ModelError(Exception):
    """A card or its weights cannot be used; the message says which one and why."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """The same network as a graph in ONNX, for engines other than torch; its weights are those of the card.

    file: relative to the card's folder. sha256, bytes: of that file.
    """

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One network.

    architecture: a name in `models.networks.table.ARCHITECTURES`. weights: a file of tensors, relative to the card's
    folder or absolute. url: where to download the file when it is not packaged. sha256, bytes: of that file; empty and
    0 when the card's author never had it. Its user then vouches for it with a file `….sha256` beside the weights.
    classes: the network's outputs in order, each mapped to one of our classes, or to "unknown" for a garment of unknown
    kind. input_px: (width, height). non_commercial: the card is refused unless allowed. metrics: as `models.evaluate`
    prints them. onnx: made from the weights by `python -m models.export --onnx ID`; None: torch alone runs it.
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
    onnx: OnnxFile | None = None


def list_cards(folder: Path = WEIGHTS_DIR) -> tuple[ModelCard, ...]:
    """Every card of a folder, by id. Raises ModelError for a card that cannot be read."""
    return tuple(_read(path) for path in sorted(folder.glob("*.json")))


def load_card(model_id: str, folder: Path = WEIGHTS_DIR, *, allow_non_commercial: bool = False) -> ModelCard:
    """One card. Raises ModelError for an unknown id, naming the known ones, and for a licence that is not allowed."""
    path = folder / f"{model_id}.json"
    known = sorted(found.stem for found in folder.glob("*.json"))
    if model_id not in known:
        raise ModelError(f"There is no model '{model_id}'; known are: {', '.join(known)}.")
    card = _read(path)
    require_licence(card, allow_non_commercial=allow_non_commercial)
    return card


def require_licence(card: ModelCard, *, allow_non_commercial: bool) -> None:
    """Raises ModelError for a licence that is non-commercial, unless that is allowed."""
    if card.non_commercial and not allow_non_commercial:
        raise ModelError(f"The licence of '{card.id}' ({card.licence}) is non-commercial: it must be allowed first.")


def decoded_card(data: bytes, name: str) -> ModelCard:
    """A card from its JSON. name: of the file, for messages. Raises ModelError when it cannot be read."""
    try:
        card = msgspec.json.decode(data, type=ModelCard)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ModelError(f"The card {name} cannot be read: {error}.") from error
    unknown = sorted(set(card.classes.values()) - {*CLASSES, "unknown"})
    if unknown:
        raise ModelError(f"The card {name} maps to unknown classes: {', '.join(unknown)}.")
    return card


def label_of(name: str) -> int:
    """The label of one of our classes, or of "unknown". Raises ValueError for any other name."""
    return UNKNOWN if name == "unknown" else CLASSES.index(name)


def weights_path(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """The path of a card's weights, whether they are there or not."""
    return folder / card.weights


def sha256_of(path: Path) -> str:
    """A file's sha256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(card: ModelCard, folder: Path = WEIGHTS_DIR) -> Path:
    """Checks the size and sha256 of a card's weights; returns their path.

    Raises ModelError for a missing, cut or wrong file.
    """
    path = weights_path(card, folder)
    if not path.is_file():
        get = f"; fetch them with: python -m models.registry fetch {card.id}" if card.url else ""
        raise ModelError(f"The weights of '{card.id}' are missing: {path.name} is not in {path.parent}{get}")
    if not card.sha256:
        raise ModelError(
            f"Nobody vouches for the weights of '{card.id}': their card has no sha256. Once you know that they are "
            f"the right ones, write it down: sha256sum {path.name} > {path.name}.sha256, in {path.parent}."
        )
    _compare(card, path.stat().st_size, card.bytes, sha256_of(path), card.sha256)
    return path


def verified_onnx(card: ModelCard, folder: Path = WEIGHTS_DIR) -> bytes:
    """The bytes of a card's ONNX file, checked by size and sha256.

    Raises ModelError for a card without one, and for a missing, cut or wrong file.
    """
    if card.onnx is None:
        raise ModelError(
            f"'{card.id}' has no ONNX file; make one where torch is: python -m models.export --onnx {card.id}"
        )
    path = folder / card.onnx.file
    if not path.is_file():
        raise ModelError(f"The ONNX file of '{card.id}' is missing: {path.name} is not in {path.parent}")
    data = path.read_bytes()
    _compare(card, len(data), card.onnx.bytes, hashlib.sha256(data).hexdigest(), card.onnx.sha256)
    return data


def _compare(card: ModelCard, size: int, expected_size: int, sha256: str, expected_sha256: str) -> None:
    if expected_size and size != expected_size:
        raise ModelError(
            f"The weights of '{card.id}' have {size} bytes, not {expected_size}: the file is cut or wrong."
        )
    if sha256 != expected_sha256:
        raise ModelError(f"The weights of '{card.id}' have sha256 {sha256}, not {expected_sha256}: they are not used.")


def _read(path: Path) -> ModelCard:
    card = decoded_card(path.read_bytes(), path.name)
    return card if card.sha256 else replace(card, sha256=_vouched_for(weights_path(card, path.parent)))


def _vouched_for(weights: Path) -> str:
    """The sha256 that a user wrote beside the weights in sha256sum's format; empty when there is none."""
    note = weights.with_name(f"{weights.name}.sha256")
    return note.read_text().partition(" ")[0].strip().lower() if note.is_file() else ""
