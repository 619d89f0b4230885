"""Times decoding in process and through the pool, on an idle machine: `python tests/bench/decode_speed.py [FILES]`.

FILES: further photos, such as HEIC that Debian's `heif-enc` made of a JPEG of 24 megapixels.
"""

import asyncio
import io
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from pipeline.image.decode import decode_image  # noqa: E402
from serve.decode.pool import DecodePool  # noqa: E402

NETWORK_PX = (224, 224)
REPEATS = 41


def photo(width_px: int, height_px: int, quality: int, kind: str = "JPEG") -> bytes:
    """The astronaut sample enlarged to a size, encoded."""
    with Image.open(ROOT / "docs/samples/astronaut.jpg") as sample:
        large = sample.convert("RGB").resize((width_px, height_px), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    # The spread imitates a sensor's detail.
    large.effect_spread(2).save(buffer, kind, quality=quality)
    return buffer.getvalue()


async def median_ms(call: Callable[[], Awaitable[object]]) -> float:
    """The median time, ms, after a few calls as a warm-up."""
    times_s = []
    for _ in range(REPEATS):
        since_s = time.perf_counter()
        await call()
        times_s.append(time.perf_counter() - since_s)
    return statistics.median(times_s[5:]) * 1000


async def main() -> None:
    """Prints a line per file."""
    pool = DecodePool(workers=2)
    since_s = time.perf_counter()
    await pool.start()
    print(f"the first of 2 workers started in {(time.perf_counter() - since_s) * 1000:.0f} ms")
    files = {
        "1 MP JPEG": photo(1000, 1000, 60),
        "12 MP JPEG": photo(4000, 3000, 80),
        "48 MP JPEG": photo(8000, 6000, 60),
        "12 MP PNG": photo(4000, 3000, 80, "PNG"),
        "12 MP WebP": photo(4000, 3000, 80, "WEBP"),
        "24 MP AVIF": photo(5712, 4284, 60, "AVIF"),
    } | {Path(name).name: Path(name).read_bytes() for name in sys.argv[1:]}
    for name, data in files.items():

        async def inside(data: bytes = data) -> object:
            return decode_image(data, network_px=NETWORK_PX)

        async def through(data: bytes = data) -> object:
            return await pool.decode(data, network_px=NETWORK_PX, budget_s=10)

        print(
            f"{name:12} {len(data) / 1000:7.0f} kB: in process {await median_ms(inside):6.1f} ms, "
            f"through the pool {await median_ms(through):6.1f} ms"
        )
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
