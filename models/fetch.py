"""Downloads a card's weights before serving: it resumes, verifies, and puts them in place atomically.

Only `python -m models.registry fetch ID` calls it, so no request ever waits for a download.
"""

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from models.cards import WEIGHTS_DIR, ModelCard, ModelError, sha256_of, weights_path

# Taste: the largest download when the card states no size.
MOST_BYTES = 4 << 30
# Taste: failed requests in a row that brought nothing, after which the download stops.
TRIES = 5
# Called with the bytes that are here, and with the total when it is known.
Progress = Callable[[int, int | None], None]


def fetch(
    card: ModelCard,
    folder: Path = WEIGHTS_DIR,
    *,
    sha256: str | None = None,
    url: str | None = None,
    progress: Progress = lambda _here, _all: None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """The path of a card's weights. It downloads them unless they are here, and resumes a broken download.

    sha256: what the user vouches for when the card has none; it is then written beside the weights. url: replaces the
    card's. Raises ModelError, which says what the user can do; a partial download stays unless it is wrong.
    """
    expected = _expected(card, sha256)
    target = weights_path(card, folder)
    if target.is_file() and sha256_of(target) == expected:
        return target
    source = url or card.url
    if source is None:
        raise ModelError(f"The card of '{card.id}' has no address: give one with --url, or put the file at {target}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    _download(source, part, most_bytes=card.bytes or MOST_BYTES, progress=progress, pause=pause)
    _check(card, part, expected)
    if not card.sha256:
        target.with_name(f"{target.name}.sha256").write_text(f"{expected}  {target.name}\n")
    part.replace(target)
    return target


def _expected(card: ModelCard, given: str | None) -> str | None:
    if given is not None and (len(given) != 64 or set(given.lower()) - set("0123456789abcdef")):
        raise ModelError(f"'{given}' is not a sha256, which has 64 hexadecimal digits.")
    if given and card.sha256 and given.lower() != card.sha256:
        raise ModelError(f"The card of '{card.id}' says sha256 {card.sha256}, not {given.lower()}.")
    return card.sha256 or (given.lower() if given else None)


def _check(card: ModelCard, part: Path, expected: str | None) -> None:
    found = sha256_of(part)
    if expected is None:
        raise ModelError(
            f"Nobody vouches for these weights of '{card.id}': their sha256 is {found}. Compare it with what their "
            f"publisher says, then run again with --sha256 {found}; the download is kept."
        )
    if found != expected:
        part.unlink()
        raise ModelError(f"The download has sha256 {found}, not {expected}: it was deleted.")


# --- the download ---------------------------------------------------------------------------------------------
def _download(url: str, part: Path, *, most_bytes: int, progress: Progress, pause: Callable[[float], None]) -> None:
    """Completes `part`, in as many requests as it takes. Raises ModelError when no more data comes."""
    failed_tries = 0
    with httpx.Client(follow_redirects=True, timeout=30.0) as client:
        while True:
            before = _size(part)
            try:
                return _request(client, url, part, most_bytes, progress)
            except httpx.TransportError as error:
                failed_tries = 0 if _size(part) > before else failed_tries + 1
                if failed_tries == TRIES:
                    raise ModelError(
                        f"{httpx.URL(url).host} does not answer ({type(error).__name__}). "
                        f"{_size(part)} bytes are here; run again to resume."
                    ) from error
            if failed_tries:
                pause(2.0 ** (failed_tries - 1))


def _request(client: httpx.Client, url: str, part: Path, most_bytes: int, progress: Progress) -> None:
    """Requests the missing part. Raises httpx.TransportError when the connection breaks."""
    here = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416 and response.headers.get("Content-Range") == f"bytes */{here}":
            # The whole file is here.
            return
        if response.status_code == 416:
            part.unlink()
            raise httpx.RemoteProtocolError("the partial download does not belong to this file")
        if response.status_code not in (200, 206):
            raise ModelError(f"{response.url.host} answers {response.status_code} for {response.url.path}.")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise ModelError(f"{response.url.host} sent a web page instead of the file; download it by hand.")
        resumes = response.headers.get("Content-Range", "").startswith(f"bytes {here}-")
        if not (response.status_code == 206 and resumes):
            # The server sends the whole file.
            here = 0
        length = response.headers.get("Content-Length")
        total = here + int(length) if length else None
        with part.open("r+b" if here else "wb") as file:
            file.seek(here)
            for chunk in response.iter_raw():
                here += file.write(chunk)
                if here > most_bytes:
                    raise ModelError(f"More than the expected {most_bytes} bytes came from {response.url.host}.")
                progress(here, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
