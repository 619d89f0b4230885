"""What every state of a page must hold: axe's rules, contrast of controls, no sideways scrolling."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.browser.conftest import AXE

ANSWERS = Path(__file__).parent / "answers"
# Standard: WCAG 2.2, 1.4.11.
LEAST_CONTRAST = 3.0

# Each visible control must stand out from what is around it: by its edge, by its ground, or, where it has neither, by
# its text, which axe checks. The same holds for the rim of a swatch and for the ring of the focus.
_CONTROLS = """
() => {
  const parse = (text) => {
    const canvas = parse.canvas ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, bottom) => [0, 1, 2].map((k) => (top[k] * top[3] + bottom[k] * (255 - top[3])) / 255);
  const ground = (node) => {
    const stack = [];
    for (let at = node; at; at = at.parentElement) stack.push(parse(getComputedStyle(at).backgroundColor));
    return stack.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const seen = (node) => node.checkVisibility({ checkOpacity: true }) && node.getBoundingClientRect().width > 1;
  const found = [];
  const note = (node, ratio) => found.push([node.outerHTML.slice(0, 80), Math.round(100 * ratio) / 100]);
  const controls = "input:not([type=radio], [type=checkbox], [type=file]), select, .button, .segments, #strip button";
  for (const node of document.querySelectorAll(controls)) {
    if (!seen(node)) continue;
    const style = getComputedStyle(node), around = ground(node.parentElement);
    const edge = parseFloat(style.borderTopWidth) > 0 ? contrast(over(parse(style.borderTopColor), around), around) : 1;
    note(node, Math.max(edge, contrast(ground(node), around)));
  }
  for (const node of document.querySelectorAll(".swatch rect")) {
    if (!seen(node)) continue;
    const around = ground(node.ownerSVGElement.parentElement);
    const rim = contrast(parse(getComputedStyle(node).stroke), around);
    note(node, Math.max(rim, contrast(parse(node.getAttribute("fill")), around)));
  }
  const named = (name) => parse(getComputedStyle(document.documentElement).getPropertyValue(`--${name}`));
  for (const name of ["paper", "card"]) found.push([`focus on ${name}`, contrast(named("focus"), named(name))]);
  return found;
}
"""


@cache
def recorded(name: str) -> dict[str, Any]:
    """A recorded answer."""
    found: dict[str, Any] = json.loads((ANSWERS / f"{name}.json").read_text())
    return found


# The rules of axe that depend on the scheme.
_OF_COLORS = ["color-contrast"]


def must_hold(page: Any, state: str, *, colors_only: bool = False) -> None:
    """Fails when the page in this state breaks a rule of axe, hides a control, or scrolls sideways.

    colors_only: of axe's rules only those that depend on the scheme, where all were tried in the other one.
    """
    must_be_accessible(page, state, colors_only=colors_only)
    faint = [(what, ratio) for what, ratio in page.evaluate(_CONTROLS) if ratio < LEAST_CONTRAST]
    assert faint == [], f"{state}: {faint}"
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), f"{state} scrolls sideways"


def must_hold_in_both(page: Any, state: str, scheme: str) -> None:
    """The same in both schemes: all rules in the given one, and in the other what depends on the scheme."""
    must_hold(page, state)
    page.emulate_media(color_scheme={"light": "dark", "dark": "light"}[scheme])
    must_hold(page, state, colors_only=True)
    page.emulate_media(color_scheme=scheme)


def must_be_accessible(page: Any, state: str, *, colors_only: bool = False) -> None:
    """Fails when the page in this state breaks a rule of axe."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    options = {"resultTypes": ["violations"], **({"runOnly": _OF_COLORS} if colors_only else {})}
    result = page.evaluate("(options) => axe.run(document, options)", options)
    broken = [(rule["id"], [node["html"][:160] for node in rule["nodes"][:4]]) for rule in result["violations"]]
    assert broken == [], f"{state}: {broken}"
