"""Takes the pictures of the page that the documents show: `python -m tests.browser.screenshots [OUT]`.

Only this project's own samples are on them. They need the same Chromium as the browser tests.
"""

import argparse
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.errors import RateLimited
from serve.http.pages import PLAYGROUND
from serve.local.plan import REPOSITORY
from tests.browser.checks import recorded
from tests.browser.conftest import launched
from tests.browser.stub import Asked, Reply, Stub, answer, problem, stub, text

SAMPLES = {name: PLAYGROUND / f"sample-{name}.webp" for name in ("knit", "dress", "jacket", "stripes")}
# Taste: text stays sharp.
QUALITY = 82
WARDROBE = (
    "localStorage.setItem('wardrobe', JSON.stringify([['Camel coat', 'outerwear', '#c19a6b'], ['White sneakers', "
    "'shoes', '#f4f4f0'], ['Brown belt', 'accessory', '#6b4428']].map(([id, category, hex]) => "
    "({ id, category, colors: [{ hex }] }))))"
)


def answering(asked: Asked) -> Reply:
    """The recorded answer of the sample that was sent."""
    for name, path in SAMPLES.items():
        if path.read_bytes() in asked.body:
            return answer(recorded("wardrobe" if asked.options().get("wardrobe") else name))
    return answer(recorded("colors"))


def take(server: Stub, browser: Any, out: Path) -> None:
    """Takes every picture."""
    server.answering = answering

    def page(name: str = "", *, width: int = 1280, height: int = 860, scheme: str = "light", address: str = "") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        opened = context.new_page()
        opened.goto(server.url + address)
        if name:
            opened.set_input_files("#photo", SAMPLES[name])
            opened.wait_for_selector("[data-state=answer]")
        opened.wait_for_load_state("networkidle")
        return opened

    save(page("knit"), out / "hero.webp")
    save(page("knit", scheme="dark"), out / "hero-dark.webp")
    save(page(), out / "page-start.webp")
    save(page("stripes", width=390, height=844), out / "page-phone.webp")
    save(page(scheme="dark", width=390, height=844), out / "page-phone-start.webp")
    save(page(address="#colors=camel,navy"), out / "page-colors.webp")
    several = page()
    several.set_input_files("#photo", list(SAMPLES.values()))
    several.locator("#strip [data-done=yes]").nth(3).wait_for()
    several.click("#table summary")
    save(several, out / "page-several.webp")
    owned = page()
    owned.evaluate(WARDROBE)
    owned.reload()
    owned.set_input_files("#photo", SAMPLES["knit"])
    owned.wait_for_selector("#owned .outfits")
    owned.locator("#owned").scroll_into_view_if_needed()
    save(owned, out / "page-wardrobe.webp")
    server.answering = lambda _: problem(RateLimited("", retry_after_s=41))
    refused = page()
    refused.set_input_files("#photo", SAMPLES["dress"])
    refused.wait_for_selector("#countdown:text('in')")
    save(refused, out / "page-error.webp")
    save(page(address="docs/errors/rate-limited", height=720), out / "page-error-code.webp")
    take_passing(server, page, out)
    take_on_the_way(server, page, out)
    reference = page()
    reference.goto(server.url + "docs#post-/v1/advice")
    reference.wait_for_selector("rapi-doc input[type=file]")
    save(reference, out / "page-reference.webp")


def take_passing(server: Stub, page: Callable[..., Any], out: Path) -> None:
    """Takes what passes: the wait, a lost network, a phase that failed, a tinted light, nothing found, the key."""
    held = threading.Event()
    server.answering = lambda _: answer(recorded("dress"), after=held)
    waiting = page()
    waiting.set_input_files("#photo", SAMPLES["dress"])
    waiting.wait_for_selector("#cancel")
    save(waiting, out / "page-loading.webp")
    held.set()
    lost = page()
    lost.context.set_offline(True)
    lost.fill("#colors", "camel, navy")
    lost.keyboard.press("Enter")
    lost.wait_for_selector("#trouble-title:text('You are offline')")
    save(lost, out / "page-offline.webp")
    for name, photo in (("degraded", SAMPLES["dress"]), ("warm", SAMPLES["knit"]), ("nothing", _wall())):
        server.answering = lambda _, name=name: answer(recorded(name))  # type: ignore[misc]
        noticed = page()
        noticed.set_input_files("#photo", photo)
        noticed.wait_for_selector("#notices :text('.')")
        save(noticed, out / f"page-{name}.webp")
    asked = page()
    asked.click("#key-open")
    asked.wait_for_selector("#key-dialog[open]")
    save(asked, out / "page-key.webp")


def take_on_the_way(server: Stub, page: Callable[..., Any], out: Path) -> None:
    """Takes a proxy's own error, and a large photo half way to the store."""
    server.answering = lambda _: text(502, "Bad Gateway")
    refused = page(address="#colors=camel,navy")
    refused.wait_for_selector("#trouble-title:text('does not answer')")
    save(refused, out / "page-proxy.webp")
    terms = {"method": "POST", "url": f"{server.url}v1/store", "fields": {"key": "k"}, "object_key": "k"}
    server.answering = lambda _: answer(terms)
    sending = page()
    network = sending.context.new_cdp_session(sending)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    network.send("Network.emulateNetworkConditions", slow)
    with Image.open(SAMPLES["dress"]) as dress:
        sending.set_input_files("#photo", _png(dress.convert("RGBA").resize((1638, 2048)), compress_level=0))
    sending.wait_for_selector("#loading-text:text-matches('Uploading, [2-7]. %')")
    save(sending, out / "page-upload.webp")


def _png(image: Image.Image, *, compress_level: int = 6) -> Any:
    """A picture as a file that a person chooses."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=compress_level)
    return {"name": "photo.png", "mimeType": "image/png", "buffer": file.getvalue()}


def _wall() -> Any:
    """A photo of a grey wall, on which there is no garment."""
    return _png(Image.new("RGB", (768, 960), (190, 190, 190)))


def save(page: Any, path: Path) -> None:
    """Saves what the window shows."""
    page.wait_for_timeout(250)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=QUALITY, method=6)
    page.context.close()


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=REPOSITORY / "docs" / "page")
    out = parser.parse_args().out
    with stub() as server, launched() as browser:
        take(server, browser, out)


if __name__ == "__main__":
    main()
