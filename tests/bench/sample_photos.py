"""Paints the samples of the playground: clothes with folds and weave, lit from the upper left.

`python -m tests.bench.sample_photos OUT` writes each one as a WebP and as a small one for its button. They are this
project's own pictures: no photo and no picture of others is part of them.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from pipeline.color.spaces import linear_to_srgb
from pipeline.types import Floats, RgbImage
from tests.bench.sample_cloth import Piece, Points, Weave, denim, felt, jersey, knit, lay, linen, plaster, sheet


# --- clothes ---------------------------------------------------------------------------------------------------
def moved(
    points: Points,
    dx: float = 0,
    dy: float = 0,
    scale: float = 1.0,
    turn_deg: float = 0,
    about: tuple[float, float] = (384, 480),
) -> list[tuple[float, float]]:
    """The points turned and scaled about a place, then moved."""
    turn = np.deg2rad(turn_deg)
    ways = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return [tuple(np.array(about) + scale * ways @ (np.array(p) - about) + (dx, dy)) for p in points]


def mirrored(points: Points, middle: float = 384) -> list[tuple[float, float]]:
    """The points mirrored left to right."""
    return [(2 * middle - x, y) for x, y in points]


def both(half: Points, middle: float = 384) -> list[tuple[float, float]]:
    """A closed outline from its right half, which runs from the middle of the top to the middle of the bottom."""
    return [*half, *list(reversed(mirrored(half, middle)))[1:-1]]


def knit_sweater(color: str, *, dy: float = 0, scale: float = 1.0, turn_deg: float = 0) -> Piece:
    """A jumper with long sleeves, laid flat."""

    def at(points: Points) -> list[tuple[float, float]]:
        return moved(points, 0, dy, scale, turn_deg)

    half = [
        (384, 168), (420, 160), (436, 146), (436, 146), (500, 164), (548, 190), (590, 262), (622, 372), (648, 500),
        (660, 566), (660, 566), (632, 580), (600, 584), (600, 584), (580, 500), (560, 410), (540, 350), (536, 352),
        (542, 440), (546, 540), (544, 640), (540, 662), (540, 662), (470, 670), (384, 672),
    ]  # fmt: skip
    neck = [(332, 146), (384, 134), (436, 146), (420, 178), (384, 188), (348, 178)]
    armpit = [(540, 350), (556, 300), (548, 240), (520, 196)]
    creases: list[tuple[Points, float, float]] = []
    for flip in (lambda p: p, mirrored):
        creases += [
            (at(flip([(536, 356), (500, 384), (462, 392)])), 12, 5),
            (at(flip([(540, 340), (508, 330), (480, 300)])), 10, 4),
            (at(flip([(596, 430), (618, 420), (634, 428)])), 9, 5),
            (at(flip([(586, 470), (612, 468), (640, 480)])), 9, 5),
            (at(flip([(548, 600), (500, 584), (468, 590)])), 12, 4),
        ]
    sleeves = [at([(606, 574), (654, 562)]), at(mirrored([(606, 574), (654, 562)]))]
    return Piece(
        color, [at(both(half))], knit, creases=creases, holes=[at(neck)], hole_shade=0.5, folds=3.2, thickness=13,
        seams=[at(armpit), at(mirrored(armpit))],
        ribs=[(at([(236, 652), (384, 660), (532, 652)]), 30 * scale), *[(one, 30 * scale) for one in sleeves]],
    )  # fmt: skip


def trousers(color: str, weave: Weave, *, dy: float = 0, thread: str = "", scale: float = 1.0) -> Piece:
    """Straight trousers, laid flat."""

    def at(points: Points) -> list[tuple[float, float]]:
        return moved(points, 0, dy, scale)

    outline = [
        (270, 200), (384, 206), (498, 200), (498, 200), (516, 330), (530, 520), (540, 720), (546, 900), (546, 900),
        (486, 908), (428, 904), (428, 904), (420, 720), (408, 560), (388, 430), (384, 422), (380, 430), (360, 560),
        (348, 720), (340, 904), (340, 904), (282, 908), (222, 900), (222, 900), (228, 720), (238, 520), (252, 330),
        (270, 200),
    ]  # fmt: skip
    waist = [(266, 232), (384, 238), (502, 232)]
    fly = [(384, 238), (386, 300), (372, 352), (384, 420)]
    pocket = [(418, 236), (430, 272), (512, 296)]
    hem = [(430, 884), (486, 888), (544, 880)]
    creases: list[tuple[Points, float, float]] = []
    for flip in (lambda p: p, mirrored):
        creases += [
            (at(flip([(386, 424), (430, 410), (476, 414)])), 10, 6),
            (at(flip([(388, 440), (424, 446), (462, 470)])), 10, 5),
            (at(flip([(420, 620), (470, 606), (530, 622)])), 12, 6),
            (at(flip([(424, 660), (480, 652), (536, 668)])), 10, 4),
            (at(flip([(430, 850), (490, 838), (544, 850)])), 10, 5),
        ]
    loops = [at([(x, 200), (x, 240)]) for x in (310, 384, 458)]
    return Piece(
        color, [at(outline)], weave, creases=creases, folds=3.0, thickness=9, thread=thread,
        seams=[at(waist), at(fly), at(pocket), at(mirrored(pocket)), *loops],
        stitches=[at([(x, y + 8) for x, y in waist]), at([(x + 10, y) for x, y in fly]),
                  at([(x - 4, y + 8) for x, y in pocket]), at(mirrored([(x - 4, y + 8) for x, y in pocket])),
                  at(hem), at(mirrored(hem))],
        buttons=[at([(384, 220)])[0]], button_color="#8d7a52",
    )  # fmt: skip


def dress(color: str, weave: Weave) -> Piece:
    """A dress with a gathered waist on a wall."""
    half = [
        (384, 190), (414, 176), (440, 120), (440, 120), (486, 128), (486, 128), (492, 210), (508, 262), (520, 280),
        (506, 350), (494, 420), (494, 424), (520, 520), (566, 680), (604, 830), (612, 880), (612, 880), (500, 902),
        (384, 908),
    ]  # fmt: skip
    neck = [(328, 120), (384, 118), (440, 120), (416, 176), (384, 194), (352, 176)]
    creases: list[tuple[Points, float, float]] = []
    random = np.random.default_rng(4)
    for k, x in enumerate(np.linspace(288, 480, 15)):
        spread = (x - 384) * 2.0
        end = 620 + 240 * random.random()
        creases.append(
            ([(x, 428), (x + 0.35 * spread * 0.5, 540), (x + spread * (end - 428) / 480, end)], 13, 9 + 3 * (k % 3))
        )
        if k % 2:
            creases.append(([(x, 414), (x + (384 - x) * 0.05, 372), (x, 330)], 8, 4))
    waist = [(274, 422), (384, 430), (494, 422)]
    return Piece(
        color, [both(half)], weave, creases=creases, holes=[neck], hole_shade=0.5, folds=2.6, thickness=10,
        seams=[waist, [(274, 414), (384, 422), (494, 414)]],
        buttons=[(384, y) for y in range(214, 420, 42)], button_color="#efe3cf",
    )  # fmt: skip


def shirt(color: str, weave: Weave, *, stripes: tuple[str, float, float] | None = None) -> Piece:
    """A T-shirt, laid flat."""
    half = [
        (384, 232), (422, 220), (446, 196), (446, 196), (520, 214), (576, 240), (640, 330), (684, 404), (684, 404),
        (650, 436), (606, 456), (606, 456), (578, 420), (550, 380), (548, 382), (552, 500), (556, 640), (552, 770),
        (552, 770), (470, 780), (384, 782),
    ]  # fmt: skip
    neck = [(322, 196), (384, 188), (446, 196), (424, 236), (384, 252), (344, 236)]
    armpit = [(550, 380), (572, 330), (566, 280), (540, 222)]
    creases: list[tuple[Points, float, float]] = []
    for flip in (lambda p: p, mirrored):
        creases += [
            (flip([(548, 386), (500, 420), (450, 432)]), 14, 6),
            (flip([(552, 374), (512, 352), (486, 318)]), 10, 4),
            (flip([(556, 640), (500, 616), (440, 630)]), 16, 6),
            (flip([(554, 700), (510, 690), (470, 704)]), 12, 4),
        ]
    cuff = [(612, 444), (646, 424), (674, 398)]
    return Piece(
        color, [both(half)], weave, creases=creases, holes=[neck], hole_shade=0.5, folds=3.4, thickness=8,
        stripes=stripes,
        seams=[armpit, mirrored(armpit)],
        stitches=[cuff, mirrored(cuff), [(218, 760), (384, 770), (550, 760)],
                  [(312, 202), (340, 246), (384, 262), (428, 246), (456, 202)]],
    )  # fmt: skip


def jacket(color: str, lining_color: str) -> list[Piece]:
    """An open jacket on its lining."""
    front = [
        (424, 190), (446, 166), (446, 166), (504, 178), (552, 204), (594, 290), (622, 430), (640, 560), (644, 622),
        (644, 622), (614, 634), (574, 636), (574, 636), (558, 520), (540, 420), (528, 372), (524, 380), (526, 480),
        (532, 580), (540, 672), (544, 724), (544, 724), (500, 732), (446, 734), (446, 734), (440, 620), (430, 500),
        (424, 360), (424, 190), (424, 190),
    ]  # fmt: skip
    lapel = [
        (440, 152), (450, 164), (476, 240), (500, 268), (500, 268), (470, 286), (486, 314), (486, 314), (468, 390),
        (446, 450), (428, 500), (428, 500), (416, 400), (418, 300), (424, 210), (440, 152), (440, 152),
    ]  # fmt: skip
    creases: list[tuple[Points, float, float]] = []
    flips: list[Callable[[Points], list[tuple[float, float]]]] = [list, mirrored]
    for flip in flips:
        creases += [
            (flip([(522, 384), (500, 420), (490, 470)]), 13, 5),
            (flip([(570, 470), (596, 462), (624, 474)]), 10, 5),
            (flip([(574, 520), (604, 516), (632, 530)]), 10, 4),
            (flip([(526, 560), (496, 574), (460, 566)]), 14, 5),
        ]
    armpit = [(524, 376), (540, 320), (532, 250), (508, 182)]
    pocket = [(456, 604), (458, 640), (522, 634), (520, 598), (456, 604)]
    body = Piece(
        color, [front, mirrored(front)], felt, creases=creases, folds=3.0, thickness=14,
        seams=[armpit, mirrored(armpit), pocket, mirrored(pocket)],
        buttons=[(454, y) for y in (540, 590, 680)], button_color="#2a211a",
    )  # fmt: skip
    half = [(384, 176), (432, 176), (432, 176), (470, 184), (480, 300), (478, 500), (482, 690), (482, 690), (384, 700)]
    back = Piece(
        lining_color, [both(half)], jersey, folds=3.6, thickness=5, seams=[[(330, 190), (384, 206), (438, 190)]],
        creases=[([(350, 420), (384, 440), (420, 420)], 12, 5), ([(344, 560), (384, 548), (424, 566)], 12, 5)],
    )  # fmt: skip
    return [back, body, *(Piece(color, [one], felt, folds=1.0, thickness=12) for one in (lapel, mirrored(lapel)))]


@dataclass(frozen=True, slots=True)
class Scene:
    """A sample: its ground, its pieces from the lowest to the highest, and what the service must say about it.

    garments: each one's kind and the name of its first colour, the largest garment first.
    """

    ground: Callable[[np.random.Generator], Floats]
    pieces: Sequence[Piece]
    garments: tuple[tuple[str, str], ...]


def scenes() -> dict[str, Scene]:
    """Every sample by name."""
    return {
        "knit": Scene(
            lambda random: plaster(random, "#dcd8d2"),
            [
                trousers("#2f4468", denim, dy=190, thread="#b98b4e", scale=0.66),
                knit_sweater("#e6d8bd", dy=-200, scale=0.72),
            ],
            (("top", "ecru"), ("bottom", "indigo denim")),
        ),
        "dress": Scene(
            lambda random: plaster(random, "#d9d4ca"), [dress("#a84b35", linen)], (("full_body", "rust"),)
        ),
        "jacket": Scene(
            lambda random: plaster(random, "#dcd8d2"), jacket("#2e4a3d", "#20352b"), (("outerwear", "pine"),)
        ),
        "stripes": Scene(
            lambda random: sheet(random, "#cfc7b8"),
            [shirt("#f1ede4", jersey, stripes=("#22304f", 84, 0.4))],
            (("top", "off-white"),),
        ),
    }  # fmt: skip


def render(scene: Scene, seed: int = 7) -> RgbImage:
    """A sample's pixels, (960, 768, 3)."""
    random = np.random.default_rng(seed)
    picture = scene.ground(random)
    for piece in scene.pieces:
        picture = lay(picture, piece, random)
    picture = gaussian_filter(picture, (0.5, 0.5, 0))
    encoded = linear_to_srgb(np.clip(picture, 0, 1)) * 255 + random.normal(0, 1.2, picture.shape)
    return np.rint(np.clip(encoded, 0, 255)).astype(np.uint8)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="such as serve/playground")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, scene in scenes().items():
        image = Image.fromarray(render(scene))
        image.save(out / f"sample-{name}.webp", quality=82, method=6)
        image.resize((360, 450), Image.Resampling.LANCZOS).save(out / f"sample-{name}-small.webp", quality=72, method=6)


if __name__ == "__main__":
    main()
