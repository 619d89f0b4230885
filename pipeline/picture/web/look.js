// Draws an answer of POST /v1/advice: the photo with its garments, the palettes, and what to wear with them.
// The page, the gallery and the backfill's report all draw with this file and look.css. It asks nothing of a server.

const SVG = "http://www.w3.org/2000/svg";
export const KINDS = { top: "Top", outerwear: "Jacket", bottom: "Bottoms", full_body: "Dress", shoes: "Shoes", accessory: "Accessory", unknown: "Garment" };
export const MOODS = { safe: "Safe", tonal: "Tonal", daring: "Daring" };
// Taste: below this confidence a person should look for themselves.
const UNSURE = 0.5;
let ids = 0;

export function make(tag, attributes = {}, ...children) {
  return built(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return built(document.createElementNS(SVG, tag), attributes, children);
}

function built(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

// --- colours ---------------------------------------------------------------------------------------------------
export function rgbOf(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

export function mixed(hex, other, part) {
  const to = rgbOf(other);
  return "#" + rgbOf(hex).map((value, k) => Math.round(value + (to[k] - value) * part).toString(16).padStart(2, "0")).join("");
}

export function luminance(hex) {
  const [r, g, b] = rgbOf(hex).map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// The outline of a drawn garment: darker than a light cloth, lighter than a dark one.
function edgeOf(hex) {
  const light = luminance(hex);
  if (light > 0.6) return mixed(hex, "#4a4640", 0.42);
  return light > 0.05 ? mixed(hex, "#0d0d10", 0.4) : mixed(hex, "#ffffff", 0.34);
}

// A code such as #1f2a44 or rgb(31, 42, 68) is no word that could be said.
const CODE = /^#?([0-9a-f]{3}|[0-9a-f]{6})$|\(/i;

export function nameOf(color) {
  return color.given && !CODE.test(color.given) ? color.given : color.names.fashion.name;
}

export function swatch(hex, size = "") {
  return draw("svg", { class: `swatch ${size}`, viewBox: "0 0 20 20", "aria-hidden": "true" },
    draw("rect", { x: 0.5, y: 0.5, width: 19, height: 19, rx: 5, fill: hex, class: "rim" }));
}

// Colours side by side, each as wide as its share.
export function bar(colors) {
  const total = colors.reduce((sum, color) => sum + color.share, 0) || 1;
  const svg = draw("svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" });
  let x = 0;
  for (const color of colors) {
    const width = (100 * color.share) / total;
    svg.append(draw("rect", { x, y: 0, width: width + 0.2, height: 4, fill: color.hex }));
    x += width;
  }
  return svg;
}

// --- masks -----------------------------------------------------------------------------------------------------
// COCO's compressed run lengths: 5 bits a character, differences to the run before the last.
export function runsOf(text) {
  const counts = [];
  for (let i = 0; i < text.length; ) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const bits = text.charCodeAt(i++) - 48;
      value |= (bits & 31) << shift;
      more = Boolean(bits & 32);
      shift += 5;
      if (!more && bits & 16) value |= -1 << shift;
    }
    counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
  }
  return counts;
}

// A mask with a border of one empty pixel, row by row.
export function maskOf({ size: [height, width], counts }) {
  const pixels = new Uint8Array((width + 2) * (height + 2));
  let position = 0;
  runsOf(counts).forEach((length, run) => {
    for (let k = 0; run % 2 && k < length; k++) {
      const column = Math.floor((position + k) / height);
      pixels[((position + k) % height + 1) * (width + 2) + column + 1] = 1;
    }
    position += length;
  });
  return { pixels, width, height };
}

// The outlines of a mask as one SVG path. It follows the edges between pixels, then rounds the steps off.
export function outlineOf({ pixels, width, height }) {
  const stride = width + 2;
  const next = new Map();
  const link = (from, to) => next.set(from, [...(next.get(from) ?? []), to]);
  for (let y = 1; y <= height + 1; y++) {
    for (let x = 1; x <= width + 1; x++) {
      const here = pixels[y * stride + x], above = pixels[(y - 1) * stride + x], before = pixels[y * stride + x - 1];
      const corner = y * stride + x;
      if (here && !above) link(corner, corner + 1);
      if (!here && above) link(corner + 1, corner);
      if (here && !before) link(corner + stride, corner);
      if (!here && before) link(corner, corner + stride);
    }
  }
  const loops = [];
  for (const start of next.keys()) {
    while (next.get(start)?.length) {
      const loop = [];
      for (let at = start; next.get(at)?.length; ) {
        loop.push([(at % stride) - 1, Math.floor(at / stride) - 1]);
        at = next.get(at).pop();
      }
      loops.push(loop);
    }
  }
  const longest = Math.max(...loops.map((loop) => loop.length), 0);
  return loops.filter((loop) => loop.length > Math.max(16, longest / 25)).map(rounded).join("");
}

function rounded(loop) {
  const step = Math.max(2, Math.min(5, Math.floor(loop.length / 24)));
  const points = [];
  for (let k = 0; k < loop.length; k += step) {
    const part = loop.slice(k, k + step);
    points.push([0, 1].map((axis) => part.reduce((sum, point) => sum + point[axis], 0) / part.length));
  }
  const middle = (a, b) => `${((a[0] + b[0]) / 2).toFixed(1)} ${((a[1] + b[1]) / 2).toFixed(1)}`;
  let path = `M${middle(points.at(-1), points[0])}`;
  points.forEach((point, k) => { path += `Q${point[0].toFixed(1)} ${point[1].toFixed(1)} ${middle(point, points[(k + 1) % points.length])}`; });
  return path + "Z";
}

// The pixel of a mask that is nearest to its middle.
function middleOf({ pixels, width, height }) {
  let count = 0, sumX = 0, sumY = 0;
  const stride = width + 2;
  const each = (visit) => { for (let y = 1; y <= height; y++) for (let x = 1; x <= width; x++) if (pixels[y * stride + x]) visit(x - 1, y - 1); };
  each((x, y) => { count++; sumX += x; sumY += y; });
  let best = [0, 0], least = Infinity;
  each((x, y) => {
    const far = (x - sumX / count) ** 2 + (y - sumY / count) ** 2;
    if (far < least) [best, least] = [[x, y], far];
  });
  return best;
}

// --- the photo -------------------------------------------------------------------------------------------------
// The photo with each garment in its true colours, outlined and numbered; the rest is dimmed.
export function photoView(answer, address, alt) {
  const width = answer.image?.analysed_width ?? 4, height = answer.image?.analysed_height ?? 3;
  const size = { href: address, width, height, preserveAspectRatio: "none" };
  const masked = answer.garments.filter((garment) => garment.mask);
  const svg = draw("svg", { class: "photo", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": alt });
  if (masked.length === 0) {
    svg.append(draw("image", size));
    return svg;
  }
  const clip = `clip${++ids}`;
  const masks = masked.map((garment) => maskOf(garment.mask));
  const paths = masks.map(outlineOf);
  svg.append(
    draw("defs", {}, draw("clipPath", { id: clip }, paths.map((d) => draw("path", { d, "clip-rule": "evenodd" })))),
    draw("image", { ...size, class: "dimmed" }),
    draw("rect", { width, height, class: "veil" }),
    draw("image", { ...size, "clip-path": `url(#${clip})` }),
  );
  const radius = 0.03 * Math.max(width, height);
  const places = [], badges = [];
  masked.forEach((garment, k) => {
    const number = answer.garments.indexOf(garment) + 1;
    let [x, y] = middleOf(masks[k]);
    while (places.some((place) => Math.hypot(place[0] - x, place[1] - y) < 2.4 * radius)) y += radius;
    places.push([x, y]);
    const text = draw("text", { x, y, "font-size": 1.25 * radius }, String(number));
    svg.append(draw("g", { class: "found", "data-garment": garment.id },
      draw("path", { d: paths[k], class: "halo" }), draw("path", { d: paths[k], class: "line" })));
    badges.push(draw("g", { class: "badge", "data-garment": garment.id }, draw("circle", { cx: x, cy: y, r: radius }), text));
  });
  // No outline lies over a number.
  svg.append(...badges);
  return svg;
}

export function altOf(answer) {
  const kinds = answer.garments.map((garment, k) => `${k + 1} ${garment.colors.length ? nameOf(garment.colors[0]) : ""} ${KINDS[garment.category].toLowerCase()}`);
  return kinds.length ? `The photo with its garments: ${list(kinds)}.` : "The photo. No garment was found in it.";
}

// Colours that a person typed, as cloth beside cloth.
export function clothView(colors) {
  const width = 360, height = 216, part = width / colors.length;
  const svg = draw("svg", { class: "photo cloth", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMidYMax slice", role: "img", "aria-label": `Colours: ${list(colors.map(nameOf))}` });
  colors.forEach((color, k) => svg.append(draw("rect", { x: k * part, width: part + 0.5, height, fill: color.hex }),
    colors.length < 5 ? draw("text", { x: (k + 0.5) * part, y: height - 18, fill: color.text_color, "font-size": 15, "text-anchor": "middle" }, nameOf(color)) : ""));
  return svg;
}

// --- garments and their colours --------------------------------------------------------------------------------
// One row a garment. extra: gives what a page adds to a garment's colours.
export function garmentList(answer, extra = () => []) {
  return make("ol", { class: "garments" }, answer.garments.map((garment, k) => garmentRow(garment, k + 1, answer.mode, extra)));
}

function garmentRow(garment, number, mode, extra) {
  const first = garment.colors[0];
  const kind = mode === "colors" ? "Your colours" : KINDS[garment.category];
  const unsure = mode !== "colors" && garment.confidence !== null && garment.confidence < UNSURE;
  return make("li", { class: mode === "colors" ? "garment typed" : "garment", "data-garment": garment.id },
    make("details", {},
      make("summary", {},
        mode === "colors" ? null : make("span", { class: "number", "aria-hidden": "true" }, String(number)),
        make("span", { class: "kind" }, make("b", {}, kind), " ", first ? list(leading(garment.colors).map(nameOf)) : "no colour could be read",
          unsure ? make("em", {}, " not sure") : null),
        make("code", {}, first?.hex ?? ""),
        bar(garment.colors)),
      make("ul", { class: "colors" }, garment.colors.map((color) => colorItem(color))),
      extra(garment)));
}

// The colours that name a garment: the first, and others that cover a good part of it.
function leading(colors) {
  return colors.filter((color, k) => k === 0 || color.share >= 0.2).slice(0, 3);
}

export function colorItem(color) {
  const share = color.share === undefined ? "" : `${Math.round(100 * color.share)} %`;
  return make("li", {}, swatch(color.hex), make("span", {}, nameOf(color)),
    make("button", { type: "button", class: "copy", "data-copy": color.hex, "aria-label": `Copy ${color.hex}, ${nameOf(color)}` }, color.hex),
    make("small", {}, share));
}

// --- an outfit, drawn ------------------------------------------------------------------------------------------
const SLOT_OF = { top: "top", outerwear: "jacket", bottom: "bottom", full_body: "dress", shoes: "shoes", accessory: "bag", unknown: "top" };
const SLOTS_OF_CODE = { WEAR_BELOW: ["bottom"], WEAR_ABOVE: ["top"], WEAR_UNDER: ["top"], LAYER_OVER: ["jacket"], PIECE_AS_ACCENT: ["top", "bottom"] };
const FREE = ["bottom", "jacket", "bag", "shoes", "scarf"];
const ACCENTS = ["bag", "shoes", "scarf"];

// What a suggestion dresses a person in: slot -> the piece's colours, the leading one first.
export function piecesOf(answer, suggestion) {
  const pieces = {};
  const worn = answer.garments.filter((garment) => suggestion.for.garment_ids.includes(garment.id));
  if (answer.mode === "colors") {
    worn.flatMap((garment) => garment.colors).forEach((color, k) => { if (k < 4) pieces[["top", "bottom", "shoes", "bag"][k]] = [color]; });
  } else {
    for (const garment of worn) if (garment.colors.length) pieces[SLOT_OF[garment.category]] ??= garment.colors;
  }
  const asked = suggestion.how_to_wear.flatMap((one) => SLOTS_OF_CODE[one.code] ?? []);
  // A person has two hands and one neck: an accent that finds no place stands in the list alone.
  const free = (slots) => slots.filter((slot) => !pieces[slot] && !(pieces.dress && slot === "bottom"));
  for (const color of suggestion.colors) {
    const slots = color.role === "accent" ? free(ACCENTS).slice(0, 1) : asked.length ? free(asked) : free(FREE).slice(0, 1);
    for (const slot of slots) pieces[slot] = [{ ...color, share: 1 }];
  }
  return pieces;
}

// What an outfit of a wardrobe dresses a person in. items: {category, colors}.
export function piecesOfItems(items) {
  const pieces = {};
  for (const item of items) {
    const slot = SLOT_OF[item.category ?? "unknown"];
    const free = pieces[slot] ? FREE.find((one) => !pieces[one]) : slot;
    if (free) pieces[free] = item.colors.map((color) => ({ share: 1, ...color }));
  }
  return pieces;
}

const mirrored = (d) => d.replace(/(-?[\d.]+) (-?[\d.]+)/g, (_, x, y) => `${(300 - x).toFixed(1)} ${y}`);
const SHOE = "M105 350C106 344 128 344 130 350C133 364 133 378 129 388C125 396 110 396 106 388C101 378 102 364 105 350Z";
const HALF = "M126 32L97 45C82 51 75 60 72 75L53 172C60 180 72 183 81 181L98 108C99 150 97 192 94 222C108 229 125 230 137 228L140 128L121 62Z";
const LAPEL = "M126 32L140 128L129 104L113 88L120 80L111 70L118 40Z";
// Each piece: its shapes, and the lines of folds and seams on them.
const SHAPES = {
  shoes: { shapes: [SHOE, mirrored(SHOE)], lines: ["M107 368C114 362 122 362 128 368", mirrored("M107 368C114 362 122 362 128 368")] },
  bottom: {
    shapes: ["M109 172L191 172C197 226 201 288 203 350C192 355 177 355 167 351C163 304 158 256 150 218C142 256 137 304 133 351C123 355 108 355 97 350C99 288 103 226 109 172Z"],
    lines: ["M109 184L191 184", "M150 184C151 198 151 208 150 218", "M118 200C124 206 130 206 135 202", "M182 200C176 206 170 206 165 202", "M113 340L133 342", "M187 340L167 342", "M118 230C116 262 114 300 113 330", "M182 230C184 262 186 300 187 330"],
  },
  dress: {
    shapes: ["M126 34C131 58 169 58 174 34L193 42C198 62 195 82 191 98C187 116 187 130 189 144C206 198 220 252 228 306C178 322 122 322 72 306C80 252 94 198 111 144C113 130 113 116 109 98C105 82 102 62 107 42Z"],
    lines: ["M111 144C134 151 166 151 189 144", "M128 152C120 200 112 254 104 304", "M150 154C150 206 150 260 150 314", "M172 152C180 200 188 254 196 304", "M117 84C126 92 134 96 141 97", "M183 84C174 92 166 96 159 97"],
  },
  top: {
    shapes: ["M127 34C135 50 165 50 173 34L205 47C217 52 223 61 226 74L243 154C236 161 225 164 217 163L200 98C199 126 200 152 202 182C170 190 130 190 98 182C100 152 101 126 100 98L83 163C75 164 64 161 57 154L74 74C77 61 83 52 95 47Z"],
    lines: ["M122 37C132 58 168 58 178 37", "M99 172C130 180 170 180 201 172", "M60 143C68 149 78 152 86 151", "M240 143C232 149 222 152 214 151", "M100 98C102 86 103 78 102 70", "M200 98C198 86 197 78 198 70", "M116 120C124 134 128 150 128 168", "M184 112C178 130 175 150 176 168"],
  },
  jacket: {
    shapes: [HALF, mirrored(HALF)],
    lines: [LAPEL, mirrored(LAPEL), "M103 182L128 184", mirrored("M103 182L128 184"), "M98 108C100 94 101 84 100 74", mirrored("M98 108C100 94 101 84 100 74"), "M57 160C65 167 75 170 83 169", mirrored("M57 160C65 167 75 170 83 169")],
  },
  bag: {
    shapes: ["M239 236L286 236C290 254 293 274 293 292C276 299 249 299 232 292C232 274 235 254 239 236Z"],
    lines: ["M237 252C252 262 273 262 288 252", "M262 258L262 266"],
    strap: "M248 237C247 196 278 196 277 237",
  },
  scarf: {
    shapes: ["M14 214C26 209 44 209 56 214C58 246 59 282 58 312C44 316 26 316 12 312C11 282 12 246 14 214Z"],
    lines: ["M28 213C27 246 27 282 26 313", "M42 213C43 246 44 282 44 313", "M16 313L15 324", "M26 315L26 326", "M36 315L36 327", "M46 315L46 326", "M55 313L56 324"],
  },
};
const ORDER = ["shoes", "bottom", "dress", "top", "jacket", "bag", "scarf"];

// The pieces of an outfit, laid out as they are worn. A piece without a colour of its own is a thin line.
export function flatLay(pieces, title) {
  const svg = draw("svg", { class: "lay", viewBox: "4 22 294 380", role: "img", "aria-label": title });
  const base = pieces.dress ? ["shoes", "dress"] : ["shoes", "bottom", "top"];
  for (const slot of ORDER) {
    if (pieces[slot]) svg.append(piece(slot, pieces[slot]));
    else if (base.includes(slot) && !(slot === "top" && pieces.dress)) svg.append(ghost(slot));
  }
  return svg;
}

function ghost(slot) {
  const line = { fill: "none", stroke: "#84827b", "stroke-width": 1.2, "stroke-dasharray": "3 4" };
  return draw("g", { class: "ghost" }, SHAPES[slot].shapes.map((d) => draw("path", { d, ...line })));
}

function piece(slot, colors) {
  const id = ++ids, [lead] = colors, edge = edgeOf(lead.hex), { shapes, lines, strap } = SHAPES[slot];
  const shown = colors.filter((color) => color.share >= 0.12).slice(0, 4);
  const defs = draw("defs", {}, draw("linearGradient", { id: `fall${id}`, x1: 0, x2: 1, y1: 0, y2: 0.25 },
    draw("stop", { offset: 0, "stop-color": "#fff", "stop-opacity": 0.16 }), draw("stop", { offset: 0.45, "stop-color": "#fff", "stop-opacity": 0 }),
    draw("stop", { offset: 1, "stop-color": "#000", "stop-opacity": 0.16 })));
  if (shown.length > 1) defs.append(stripes(`cloth${id}`, shown));
  const fill = shown.length > 1 ? `url(#cloth${id})` : lead.hex;
  return draw("g", { class: "piece", "data-slot": slot, "data-hex": lead.hex }, defs,
    strap ? draw("path", { d: strap, fill: "none", stroke: lead.hex, "stroke-width": 5, "stroke-linecap": "round" }) : null,
    shapes.map((d) => draw("path", { d, fill, stroke: edge, "stroke-width": 1.6, "stroke-linejoin": "round" })),
    shapes.map((d) => draw("path", { d, fill: `url(#fall${id})` })),
    lines.map((d) => draw("path", { d, fill: d.endsWith("Z") ? mixed(lead.hex, edge, 0.18) : "none", stroke: edge, "stroke-width": 1.2, "stroke-opacity": 0.75, "stroke-linecap": "round" })));
}

function stripes(id, colors) {
  const total = colors.reduce((sum, color) => sum + color.share, 0), high = 26;
  const pattern = draw("pattern", { id, width: high, height: high, patternUnits: "userSpaceOnUse" });
  let y = 0;
  for (const color of colors) {
    const part = (high * color.share) / total;
    pattern.append(draw("rect", { x: 0, y, width: high, height: part + 0.3, fill: color.hex }));
    y += part;
  }
  return pattern;
}

// --- suggestions -----------------------------------------------------------------------------------------------
export function layOf(answer, suggestion) {
  return flatLay(piecesOf(answer, suggestion), `Drawing: ${suggestion.summary}`);
}

export function titleOf(suggestion) {
  return make("p", { class: "mood" }, make("b", {}, MOODS[suggestion.mood] ?? suggestion.mood), ` ${suggestion.rating}`);
}

// A small suggestion: its drawing, one sentence and its colours. choose: what a click on it does, where it does anything.
export function smallCard(answer, suggestion, choose = null) {
  const sentence = choose ? make("button", { type: "button", class: "sentence", onclick: choose }, suggestion.summary) : suggestion.summary;
  return make("article", { class: "small card" }, layOf(answer, suggestion),
    make("div", {}, titleOf(suggestion), make("h3", { class: "sentence" }, sentence), chipsOf(suggestion)));
}

export function chipsOf(suggestion) {
  return make("ul", { class: "chips" }, suggestion.colors.map((color) => make("li", {}, swatch(color.hex), color.name)));
}

const PARTS = { hue: "Hues", lightness: "Light and dark", separation: "Easy to tell apart", vividness: "Vividness" };

// Everything behind a suggestion: its reasons, and the numbers.
export function whyOf(answer, suggestion) {
  const reasons = [...suggestion.reasons, ...(answer.common ?? [])].map((reason) => make("li", {}, reason.text));
  const least = ["protan", "deutan", "tritan"].map((eye) => `${eye} ${suggestion.cvd[`${eye}_min_de00`].toFixed(0)}`);
  return make("details", { class: "why" }, make("summary", {}, "Why, in numbers"),
    make("ul", {}, reasons),
    make("p", {}, `By our rules it beats ${Math.round(100 * suggestion.score)} % of pairs of garment colours. The scheme is ${suggestion.scheme.replaceAll("_", " ")}.`),
    make("dl", { class: "parts" }, Object.entries(PARTS).flatMap(([name, label]) => [make("dt", {}, label),
      make("dd", {}, meter(suggestion.components[name]), ` ${Math.round(100 * suggestion.components[name])} %`)])),
    make("p", {}, `${suggestion.cvd.distinct ? "Colour-blind people can tell the colours apart" : "Some colour-blind people may not tell the colours apart"}: the least difference is ΔE00 ${list(least)}.`));
}

function meter(value) {
  return draw("svg", { class: "meter", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", { width: 100, height: 6, rx: 3, class: "track" }), draw("rect", { width: 100 * value, height: 6, rx: 3, class: "fill" }));
}

// --- one whole answer, for pages without a server --------------------------------------------------------------
export function lookCard({ id, photo, answer }) {
  const best = answer.suggestions[0];
  return make("article", { class: "look card" },
    make("div", { class: "seen" }, photo ? photoView(answer, photo, altOf(answer)) : make("p", { class: "gone" }, "The photo was not found.")),
    make("div", { class: "told" },
      make("h3", {}, id),
      answer.warnings.map((warning) => make("p", { class: "note" }, warning.text)),
      garmentList(answer),
      best ? make("div", { class: "best" }, layOf(answer, best), make("div", {}, titleOf(best), make("p", { class: "sentence" }, best.summary),
        chipsOf(best))) : null));
}

export function showLooks(place, looks) {
  place.replaceChildren(...looks.map(lookCard));
  place.addEventListener("click", (event) => {
    const copied = event.target.closest("[data-copy]");
    if (copied) navigator.clipboard?.writeText(copied.dataset.copy);
  });
}
