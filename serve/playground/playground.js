// The playground: asks POST /v1/advice and draws the answer. No library, no outside request; the key stays in this tab.
const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const OVERLAY = ["#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000"];
let photo = null;

at("key").value = sessionStorage.getItem("key") ?? "";
at("key").addEventListener("input", () => sessionStorage.setItem("key", at("key").value.trim()));
at("photo").addEventListener("change", () => take(at("photo").files[0]));
at("drop").addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); at("photo").click(); } });
for (const kind of ["dragenter", "dragover"]) at("drop").addEventListener(kind, (event) => { event.preventDefault(); at("drop").classList.add("over"); });
for (const kind of ["dragleave", "drop"]) at("drop").addEventListener(kind, () => at("drop").classList.remove("over"));
at("drop").addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
at("colors").addEventListener("input", () => { if (at("colors").value.trim()) forget(); });
at("ask").addEventListener("submit", (event) => { event.preventDefault(); ask(); });

function take(file) {
  if (!file) return;
  photo = file;
  at("colors").value = "";
  at("drop").querySelector("strong").textContent = file.name;
  ask();
}

function forget() {
  photo = null;
  at("photo").value = "";
  at("drop").querySelector("strong").textContent = "Choose or drop a photo";
}

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", bad);
}

function question() {
  const options = { intent: at("intent").value, wheel: at("wheel").value, max_suggestions: Number(at("count").value) };
  if (photo) {
    const body = new FormData();
    body.append("image", photo);
    body.append("options", JSON.stringify({ ...options, include: ["masks", "timings"] }));
    return { body, headers: {} };
  }
  const colors = at("colors").value.split(",").map((text) => text.trim()).filter(Boolean);
  return { body: JSON.stringify({ colors, options: { ...options, include: ["timings"] } }), headers: { "Content-Type": "application/json" } };
}

async function ask() {
  if (!photo && !at("colors").value.trim()) return say("Choose a photo or type colours first.", true);
  const { body, headers } = question();
  at("go").disabled = true;
  say("Looking …");
  try {
    const response = await fetch("v1/advice", { method: "POST", body, headers: { ...headers, "X-API-Key": at("key").value.trim() } });
    const answer = await response.json();
    if (response.status === 401) return say("Type a valid API key, then choose Advise.", true);
    if (!response.ok) return say(`${answer.title}. ${answer.detail}`, true);
    await show(answer);
    say(`Done in ${Math.round(answer.meta.timing_ms.total)} ms.`);
  } catch (error) {
    say(`The server could not be asked: ${error.message}`, true);
  } finally {
    at("go").disabled = false;
  }
}

async function show(answer) {
  at("answer").hidden = false;
  at("raw").textContent = JSON.stringify(answer, null, 2);
  at("figure").hidden = !photo;
  if (photo) await drawOverlay(answer);
  at("garments").replaceChildren(...notices(answer), ...answer.garments.map(garmentCard));
  at("suggestions-title").hidden = answer.suggestions.length === 0;
  at("suggestions").replaceChildren(...answer.suggestions.map(suggestionCard));
}

function notices(answer) {
  const texts = answer.warnings.map((warning) => warning.text);
  if (answer.degraded.length) texts.push(`Some of this is a fallback: ${answer.degraded.join(", ")}.`);
  return texts.map((text) => make("p", { class: "notice" }, text));
}

function garmentCard(garment, index) {
  const about = [garment.pattern && garment.pattern.class.replace("_", " ")];
  if (garment.confidence !== null) about.push(`${Math.round(garment.confidence * 100)} % sure`);
  const title = make("h3", {}, photo ? garment.category.replace("_", " ") : "your colours", make("small", {}, about.filter(Boolean).join(", ")));
  if (photo) title.prepend(chip(OVERLAY[index % OVERLAY.length]));
  return make("article", { class: "card" }, title, strip(garment.colors), nameList(garment.colors.map((color) => [color.hex, color.names.fashion.name, color.share])));
}

function suggestionCard(suggestion) {
  const title = make("h3", {}, suggestion.scheme.replace("_", " "), make("small", {}, `${suggestion.mood}, ${suggestion.rating}`));
  const worn = suggestion.for.colors.map((hex) => ({ hex, share: 0.6 / suggestion.for.colors.length }));
  const why = make("ul", { class: "why" }, ...[...suggestion.reasons, ...suggestion.how_to_wear].map((reason) => make("li", {}, reason.text)));
  return make("article", { class: "card" }, title, strip([...worn, ...suggestion.colors]), make("p", {}, suggestion.summary), nameList(suggestion.colors.map((color) => [color.hex, color.name, null])), why);
}

function nameList(rows) {
  return make("ul", { class: "names" }, ...rows.map(([hex, name, share]) => make("li", {}, chip(hex), `${name} `, make("code", {}, share === null ? hex : `${hex} ${Math.round(share * 100)} %`))));
}

// Colours are drawn as SVG attributes: the page's policy allows no inline styles.
function strip(colors) {
  const total = colors.reduce((sum, color) => sum + color.share, 0) || 1;
  const svg = draw("svg", { class: "strip", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img" });
  let x = 0;
  for (const color of colors) {
    const width = (100 * color.share) / total;
    svg.append(draw("rect", { x, y: 0, width: width + 0.1, height: 10, fill: color.hex }));
    x += width;
  }
  return svg;
}

function chip(hex) {
  const svg = draw("svg", { class: "chip", viewBox: "0 0 10 10", "aria-hidden": "true" });
  svg.append(draw("rect", { x: 0.5, y: 0.5, width: 9, height: 9, rx: 2, fill: hex, stroke: "#8888" }));
  return svg;
}

async function drawOverlay(answer) {
  const bitmap = await createImageBitmap(photo, { imageOrientation: "from-image" });
  const width = answer.image.analysed_width;
  const height = answer.image.analysed_height;
  const canvas = at("overlay");
  const scale = Math.min(2, Math.max(1, 640 / Math.max(width, height)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const layer = new OffscreenCanvas(width, height);
  const paint = layer.getContext("2d");
  const pixels = paint.createImageData(width, height);
  answer.garments.forEach((garment, index) => tint(pixels, garment.mask, OVERLAY[index % OVERLAY.length]));
  paint.putImageData(pixels, 0, 0);
  context.drawImage(layer, 0, 0, canvas.width, canvas.height);
  const kinds = answer.garments.map((garment) => garment.category.replace("_", " ")).join(", ");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The photo with the garments found: ${kinds || "none"}`);
  at("caption").textContent = `${answer.image.width} × ${answer.image.height} px, ${answer.versions.segmenter}`;
}

function tint(pixels, mask, hex) {
  const [height, width] = mask.size;
  const rgb = [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
  let position = 0;
  runs(mask.counts).forEach((length, run) => {
    for (let k = 0; run % 2 && k < length; k++) {
      const column = Math.floor((position + k) / height);
      const row = (position + k) % height;
      pixels.data.set([...rgb, 110], 4 * (row * width + column));
    }
    position += length;
  });
}

// COCO's compressed run lengths: 5 bits a character, differences to the run before the last.
function runs(text) {
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

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function draw(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
