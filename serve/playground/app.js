// The playground: takes a photo or colours, asks the service, and shows the answer.
import { advise, fetched, key } from "./ask.js";
import { Album } from "./album.js";
import { readable, snippets } from "./code.js";
import { altOf, clothView, flatLay, garmentList, KINDS, layOf, list, make, nameOf, photoView, piecesOfItems, smallCard, swatch, titleOf, whyOf } from "./look.js";
import { photosOf, prepared } from "./photo.js";
import { SAMPLES, SAMPLE_COLORS } from "./samples.js";
import { DEGRADED, Trouble } from "./trouble.js";
import { add, owned, remove } from "./wardrobe.js";

const at = (id) => document.getElementById(id);
const SCHEMES = ["complementary", "split_complementary", "analogous", "triadic", "tetradic", "monochromatic", "neutral"];
const FORMATS = [["svg", "picture"], ["png", "picture"], ["css", "variables"], ["gpl", "GIMP, Inkscape"], ["ase", "Adobe"], ["json", "data"]];
// One suggestion stands large, three stand small.
const SUGGESTIONS = 4;

// question: {photo, preview, name} or {colors}. best: which suggestion stands large. swapped: colours that were swapped.
const state = { question: null, answer: null, options: null, best: 0, swapped: {}, turn: 0, controller: null, album: null, balance: false };

// --- asking ----------------------------------------------------------------------------------------------------
function optionsNow() {
  const options = { intent: intent(), max_suggestions: SUGGESTIONS, include: ["alternatives", "masks", "timings"] };
  const schemes = [...document.querySelectorAll("#schemes input:checked")].map((box) => box.value);
  if (schemes.length && schemes.length < SCHEMES.length) options.schemes = schemes;
  if (at("ryb").checked) options.wheel = "ryb";
  if (state.balance) options.white_balance = "apply";
  const wardrobe = owned().map(({ id, category, colors }) => ({ id, colors: colors.map(({ hex, share }) => ({ hex, ...(share ? { share } : {}) })), ...(category ? { category } : {}) }));
  if (wardrobe.length) options.wardrobe = wardrobe;
  return options;
}

const intent = () => document.querySelector("#ask [name=intent]:checked").value;

// Asks the question. A newer question ends an older one, so no answer lands on another question's photo.
async function ask(question) {
  state.controller?.abort();
  const controller = new AbortController(), turn = ++state.turn;
  Object.assign(state, { question, controller, answer: null, best: 0, swapped: {} });
  stopCountdown();
  showLoading(question);
  try {
    const options = optionsNow();
    const answer = await advise(question, options, { signal: controller.signal, progress });
    if (turn !== state.turn) return;
    Object.assign(state, { answer, options });
    showAnswer();
  } catch (error) {
    if (turn !== state.turn || error.name === "AbortError") return;
    showTrouble(error instanceof Trouble ? error : new Trouble("The page could not show this", error.message, { code: "PAGE" }));
  }
}

async function takePhotos(files) {
  if (files.length === 0) return toast("There is no photo in that.");
  state.balance = false;
  leaveAlbum();
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (files.length === 1) return takePhoto(files[0]);
  state.controller?.abort();
  const turn = ++state.turn;
  const entries = [];
  for (const file of files) entries.push(await prepared(file));
  if (turn !== state.turn) return;
  const album = new Album(entries, (entry, signal) => advise(entry, optionsNow(), { signal, progress: () => {} }), showEntry);
  state.album = album;
  album.shown = album.entries[0];
  Object.assign(state, { question: album.shown, answer: null });
  showLoading(album.shown);
  showAlbum();
  await album.run(() => { if (state.album === album) albumChanged(); });
}

async function takePhoto(file, name) {
  state.controller?.abort();
  const turn = ++state.turn;
  const question = await prepared(file, name);
  if (turn === state.turn) return ask(question);
}

function takeColors(text) {
  const colors = split(text);
  if (colors.length === 0) return at("colors").focus();
  state.balance = false;
  leaveAlbum();
  const link = `#colors=${colors.map(encodeURIComponent).join(",")}${intent() === "balanced" ? "" : `&intent=${intent()}`}`;
  if (location.hash !== link) history.pushState(null, "", link);
  return ask({ colors });
}

// Commas inside parentheses do not separate.
function split(text) {
  return text.split(/,(?![^(]*\))|;|\n/).map((part) => part.trim()).filter(Boolean);
}

async function takeSample(id) {
  const sample = SAMPLES.find((one) => one.id === id);
  if (!sample) return;
  state.balance = false;
  leaveAlbum();
  if (location.hash !== `#sample=${id}`) history.pushState(null, "", `#sample=${id}`);
  state.controller?.abort();
  const turn = ++state.turn;
  try {
    const response = await fetch(`assets/${sample.file}`);
    if (!response.ok) throw new Error();
    const photo = await response.blob();
    if (turn === state.turn) await takePhoto(photo, sample.file);
  } catch {
    if (turn === state.turn) showTrouble(new Trouble("The sample did not load", "Is there a connection? Choose it again.", { code: "UNREACHABLE" }));
  }
}

function again() {
  if (state.album) return showEntry(state.album.shown);
  if (state.question) return ask(state.question);
}

// What the address says after its #: a key, which is taken out of it, colours, or a sample.
function readAddress() {
  const words = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
  if (words.has("key")) {
    key.set(words.get("key"));
    words.delete("key");
    const rest = [...words].map(([name, value]) => `${name}=${value}`).join("&");
    history.replaceState(null, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
    showKey();
  }
  const chosen = document.querySelector(`#ask [name=intent][value="${CSS.escape(words.get("intent") ?? "balanced")}"]`);
  if (words.has("colors")) {
    if (chosen) chosen.checked = true;
    at("colors").value = split(words.get("colors")).join(", ");
    return takeColors(at("colors").value);
  }
  if (words.has("sample")) return takeSample(words.get("sample"));
  if (state.question?.colors || location.hash === "") reset();
}

function reset() {
  state.controller?.abort();
  state.turn++;
  leaveAlbum();
  stopCountdown();
  Object.assign(state, { question: null, answer: null });
  at("colors").value = "";
  is("idle");
  at("result").hidden = at("trouble").hidden = true;
}

// --- states ----------------------------------------------------------------------------------------------------
function is(name) {
  document.body.dataset.state = name;
}

function say(text) {
  at("status").textContent = text;
}

function toast(text) {
  at("toast").textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { at("toast").textContent = ""; }, 2600);
}

function showLoading(question) {
  is("loading");
  at("trouble").hidden = true;
  at("result").hidden = at("loading").hidden = false;
  at("progress").hidden = true;
  at("loading-text").textContent = question.colors ? "Looking for what goes with them" : "Looking at the photo";
  at("notices").replaceChildren();
  at("garments").replaceChildren();
  at("best").replaceChildren(make("div", { class: "best card waiting", "aria-hidden": "true" }, flatLay({}, ""), make("div", { class: "told" }, make("i"), make("i"), make("i"))));
  at("others").replaceChildren();
  at("owned").replaceChildren();
  at("wear-title").textContent = "Wear it with";
  at("figure").replaceChildren(...(question.preview ? [make("img", { src: question.preview, alt: "The photo that is being looked at" })] : []));
  say(at("loading-text").textContent);
}

function progress(share) {
  at("progress").hidden = false;
  at("progress").value = share;
  at("loading-text").textContent = share < 1 ? `Uploading, ${Math.round(100 * share)} %` : "Looking at the photo";
}

function showTrouble(trouble) {
  is("trouble");
  Object.assign(state, { answer: null });
  at("loading").hidden = true;
  at("result").hidden = !state.question?.preview;
  at("notices").replaceChildren();
  at("garments").replaceChildren();
  at("trouble").hidden = false;
  at("trouble-title").textContent = trouble.title;
  at("trouble-text").textContent = trouble.text;
  at("trouble-fields").replaceChildren(...trouble.fields.map((text) => make("li", {}, text)));
  const about = [trouble.code, trouble.requestId && `request ${trouble.requestId}`].filter(Boolean).join(" · ");
  const page = /^[A-Z_]+$/.test(trouble.code) && trouble.status ? `docs/errors/${trouble.code.toLowerCase().replaceAll("_", "-")}` : "";
  at("trouble-code").replaceChildren(page ? make("a", { href: page }, about) : about);
  at("retry").hidden = !trouble.retry && trouble.status !== 401;
  at("retry").textContent = trouble.status === 401 ? "Give a key" : "Try again";
  startCountdown(trouble.retry ? trouble.waitS : 0);
  say(`${trouble.title}. ${trouble.text}`);
  if (trouble.status === 401) return openKey("The server wants a valid API key. This one is missing, wrong or revoked.");
  at("trouble-title").focus();
}

function startCountdown(seconds) {
  stopCountdown();
  if (seconds < 1) return;
  const end = Date.now() + 1000 * seconds;
  at("retry").disabled = true;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    at("countdown").textContent = left > 0 ? `in ${left} s` : "";
    at("retry").disabled = left > 0;
    if (left <= 0) clearInterval(startCountdown.timer);
  };
  tick();
  startCountdown.timer = setInterval(tick, 250);
}

function stopCountdown() {
  clearInterval(startCountdown.timer);
  at("countdown").textContent = "";
  at("retry").disabled = false;
}

// --- the answer ------------------------------------------------------------------------------------------------
function showAnswer() {
  const { answer, question } = state;
  is("answer");
  at("loading").hidden = at("trouble").hidden = true;
  at("result").hidden = false;
  const view = question.colors ? [clothView(answer.garments.flatMap((garment) => garment.colors))] : question.preview ? [photoView(answer, question.preview, altOf(answer))] : [make("p", { class: "fine" }, "This browser cannot draw the photo's format; the service read it.")];
  at("figure").replaceChildren(...view);
  at("notices").replaceChildren(...notices(answer));
  at("garments").replaceChildren(garmentList(answer, keepButton));
  connect(at("seen"));
  showWear();
  showRequest();
  say(spoken(answer));
}

function spoken(answer) {
  const found = question().colors ? "" : answer.garments.length ? `Found: ${list(answer.garments.map((garment) => KINDS[garment.category].toLowerCase()))}. ` : "No garment was found. ";
  return `${found}${answer.suggestions[0]?.summary ?? ""}`;
}

const question = () => state.question;

function notices(answer) {
  const notes = answer.degraded.map((phase) => make("div", { class: "note" }, make("p", {}, DEGRADED[phase] ?? "Part of this is a fallback."),
    make("button", { type: "button", class: "button slim", onclick: again }, "Ask again")));
  const light = answer.image?.lighting;
  if (light?.corrected) {
    notes.push(make("p", { class: "note" }, `The colours are corrected for ${light.cast} light. `, make("button", { type: "button", class: "button slim", onclick: () => balance(false) }, "Show them as photographed")));
  }
  for (const warning of answer.warnings) {
    if (warning.code === "COLOUR_CAST") {
      notes.push(make("div", { class: "note" }, make("p", {}, `The light is ${light?.cast ?? "tinted"}, so the colours may look different in daylight.`),
        make("button", { type: "button", class: "button slim", onclick: () => balance(true) }, "Correct for the light")));
    } else if (warning.code !== "LOW_CONFIDENCE") {
      // The list marks each garment whose kind is not sure.
      notes.push(make("p", { class: "note" }, warning.text));
    }
  }
  if (!answer.garments.length) notes.push(make("p", { class: "fine" }, "Try a photo on which the clothes are larger and the light is even."));
  return notes;
}

function balance(on) {
  state.balance = on;
  ask(state.question);
}

function keepButton(garment) {
  const first = garment.colors[0];
  if (!first) return null;
  const name = `${nameOf(first)} ${KINDS[garment.category].toLowerCase()}`;
  return make("button", { type: "button", class: "button slim keep", onclick: () => {
    const colors = garment.colors.map(({ hex, share, names, given }) => ({ hex, share, name: given ?? names.fashion.name }));
    toast(`“${add(name.slice(0, 1).toUpperCase() + name.slice(1), garment.category, colors)}” is in your wardrobe.`);
  } }, "Keep in my wardrobe");
}

// A garment of the list and its outline light up together.
function connect(place) {
  const light = (id, on) => { for (const node of place.querySelectorAll("[data-garment]")) if (node.dataset.garment === id) node.classList.toggle("lit", on); };
  for (const node of place.querySelectorAll("[data-garment]")) {
    const id = node.dataset.garment;
    node.addEventListener("pointerenter", () => light(id, true));
    node.addEventListener("pointerleave", () => light(id, false));
    node.addEventListener("focusin", () => light(id, true));
    node.addEventListener("focusout", () => light(id, false));
    if (node.matches(".found")) node.addEventListener("click", () => { const row = place.querySelector(`li[data-garment="${id}"] details`); row.open = !row.open; });
  }
}

// The suggestion with the colours that were swapped.
function dressed(suggestion, number) {
  const swaps = state.swapped[number] ?? {};
  return { ...suggestion, colors: suggestion.colors.map((color) => ({ ...color, ...swaps[color.hex], was: color.hex })) };
}

function showWear() {
  const { answer } = state, looks = answer.suggestions.map(dressed);
  at("wear").hidden = false;
  at("wear-title").textContent = answer.suggestions.length ? "Wear it with" : "No suggestions";
  at("best").replaceChildren(...(looks.length ? [bestCard(looks[state.best], state.best)] : [make("p", {}, answer.garments.length ? "No scheme fits these colours. Allow more schemes." : "There is nothing to match without a garment.")]));
  at("others").replaceChildren(...looks.map((look, number) => number === state.best ? null : smallCard(answer, look, () => choose(number))).filter(Boolean));
  showOwned();
}

function choose(number) {
  state.best = number;
  showWear();
  at("best").querySelector("summary, button")?.focus();
  say(state.answer.suggestions[number].summary);
}

function bestCard(look, number) {
  const swaps = Object.values(state.swapped[number] ?? {});
  const sentence = swaps.length ? `${list(look.colors.filter((color) => color.hex !== color.was).map((color) => `${color.name} instead of ${state.answer.suggestions[number].colors.find((one) => one.hex === color.was).name}`))}.` : look.summary;
  return make("article", { class: "best card" }, layOf(state.answer, look),
    make("div", { class: "told" },
      make("div", { class: "lead" }, titleOf(look), make("h3", { class: "sentence" }, sentence.slice(0, 1).toUpperCase() + sentence.slice(1)),
        make("div", { class: "swaps" }, look.colors.map((color) => swapMenu(color, number)))),
      look.how_to_wear.length ? make("ul", { class: "how" }, look.how_to_wear.slice(0, 2).map((one) => make("li", {}, one.text))) : null,
      whyOf(state.answer, look),
      make("div", { class: "row tools" }, exportMenu(look),
        make("button", { type: "button", class: "button slim", onclick: () => share(look) }, "Save as picture"),
        make("button", { type: "button", class: "button slim", onclick: copyLink }, "Copy link"))));
}

// A suggested colour, with those that could take its place.
function swapMenu(color, number) {
  const original = state.answer.suggestions[number];
  const others = (original.alternatives ?? []).filter((one) => one.replaces === color.was && one.hex !== color.hex);
  const shown = [swatch(color.hex), color.name, make("small", {}, color.role === "accent" ? "accent" : "")];
  const swap = (to) => {
    const swaps = { ...state.swapped[number] };
    delete swaps[color.was];
    if (to.hex !== color.was) swaps[color.was] = { hex: to.hex, name: to.name };
    state.swapped[number] = swaps;
    showWear();
    [...at("best").querySelectorAll(".swaps summary")].at(original.colors.findIndex((one) => one.hex === color.was))?.focus();
    say(`${to.name} instead of ${color.name}`);
  };
  const first = original.colors.find((one) => one.hex === color.was);
  const back = color.hex === color.was ? [] : [first];
  return make("details", { class: "menu" }, make("summary", { class: "button" }, shown, make("span", { class: "hidden" }, ", swap or copy")),
    make("div", { class: "sheet" }, others.length + back.length ? make("p", { class: "fine" }, `Instead of ${color.name}`) : null,
      [...back, ...others].map((one) => make("button", { type: "button", onclick: () => swap(one) }, swatch(one.hex), one.name)),
      make("button", { type: "button", "data-copy": color.hex }, swatch(color.hex), `Copy ${color.hex}`)));
}

function exportMenu(look) {
  return make("details", { class: "menu" }, make("summary", { class: "button slim" }, "Save palette"),
    make("div", { class: "sheet" }, FORMATS.map(([format, about]) => make("button", { type: "button", onclick: () => savePalette(look, format) }, format.toUpperCase(), make("small", {}, about)))));
}

async function savePalette(look, format) {
  const colors = [...new Set([...look.for.colors, ...look.colors.map((color) => color.hex)])].slice(0, 12).map((hex) => hex.slice(1));
  try {
    const response = await fetched(`v1/palette?colors=${colors.join(",")}&format=${format}`);
    save(await response.blob(), `palette.${format}`);
  } catch (trouble) {
    toast(trouble.title ?? "The palette could not be saved.");
  }
}

async function share(look) {
  save(await shareCardOf(look), "stylesync.png");
}

async function shareCardOf(look) {
  const { shareCard } = await import("./card.js");
  return shareCard(state.answer, look);
}

function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  toast(`${name} is saved.`);
}

function copyLink() {
  const colors = question().colors ?? state.answer.garments.flatMap((garment) => garment.colors.slice(0, 1).map((color) => color.hex)).slice(0, 12);
  const link = location.hash.startsWith("#sample=") ? location.href : new URL(`#colors=${colors.map(encodeURIComponent).join(",")}${intent() === "balanced" ? "" : `&intent=${intent()}`}`, location.href).href;
  copy(link, question().colors || location.hash ? "The link is copied." : "A link to the photo's colours is copied; the photo is not in it.");
}

async function copy(text, said = `${text} is copied.`) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser does not allow copying here.");
  }
}

// --- wardrobe --------------------------------------------------------------------------------------------------
function showOwned() {
  const items = new Map(owned().map((item) => [item.id, item])), { answer } = state;
  const matches = answer.matches.filter((match) => items.has(match.item_id)), outfits = answer.outfits.filter((outfit) => outfit.item_ids.every((id) => items.has(id)));
  if (!matches.length && !outfits.length) return at("owned").replaceChildren();
  at("owned").replaceChildren(
    make("h3", {}, "From your wardrobe"),
    make("ul", { class: "rack" }, matches.slice(0, 8).map((match) => make("li", {}, swatch(items.get(match.item_id).colors[0].hex), match.item_id, make("small", {}, match.rating)))),
    make("ul", { class: "outfits" }, outfits.slice(0, 4).map((outfit) => outfitCard(outfit, items))),
  );
}

function outfitCard(outfit, items) {
  const chosen = outfit.item_ids.map((id) => items.get(id)), worn = state.answer.mode === "colors" ? [] : state.answer.garments;
  const missing = outfit.missing.length ? make("small", {}, `Still needs ${list(outfit.missing.map((kind) => KINDS[kind].toLowerCase()))}.`) : null;
  return make("li", { class: "card" }, flatLay(piecesOfItems([...worn, ...chosen].filter((item) => item.colors.length)), `Outfit: ${list(outfit.item_ids)}`),
    make("span", {}, list(outfit.item_ids)), missing);
}

function showItems() {
  const items = owned();
  at("wardrobe-count").textContent = String(items.length);
  at("items").replaceChildren(...items.map((item) => make("li", {}, swatch(item.colors[0].hex, "large"),
    make("span", {}, make("b", {}, item.id), ` ${KINDS[item.category ?? "unknown"].toLowerCase()}, ${list(item.colors.slice(0, 3).map((color) => color.name ?? color.hex))}`),
    make("button", { type: "button", class: "button slim", "aria-label": `Remove ${item.id}`, onclick: () => remove(item.id) }, "Remove"))));
}

async function addItem() {
  const words = split(at("item-color").value);
  try {
    const response = await fetched(`v1/palette?colors=${encodeURIComponent(words.join(","))}&format=json`);
    const { colors } = await response.json();
    const found = colors.map((color, k) => ({ hex: color.hex, name: /^[a-z -]+$/i.test(words[k] ?? "") ? words[k].toLowerCase() : color.name }));
    const kind = at("item-kind").value;
    const id = add(at("item-name").value || `${found[0].name.slice(0, 1).toUpperCase()}${found[0].name.slice(1)} ${KINDS[kind || "unknown"].toLowerCase()}`, kind, found);
    at("wardrobe-said").textContent = `“${id}” is added.`;
    at("item-name").value = at("item-color").value = "";
    at("item-color").focus();
  } catch (trouble) {
    at("wardrobe-said").textContent = trouble.fields?.[0] ?? trouble.title ?? "It could not be added.";
  }
}

// --- several photos --------------------------------------------------------------------------------------------
function showAlbum() {
  const { album } = state;
  at("album").hidden = false;
  at("strip").replaceChildren(...album.strip());
  at("table").querySelector("table").replaceChildren(...album.table());
}

function albumChanged() {
  const { album } = state, { shown } = album;
  showAlbum();
  if ((shown.answer && state.answer !== shown.answer) || (shown.trouble && !shown.answer && document.body.dataset.state === "loading")) showEntry(shown);
  const done = album.entries.filter((entry) => entry.answer || entry.trouble).length;
  if (done === album.entries.length) say(`All ${done} photos are done.`);
}

function showEntry(entry) {
  state.album.shown = entry;
  Object.assign(state, { question: entry, answer: entry.answer, options: optionsNow(), best: 0, swapped: {} });
  showAlbum();
  if (entry.answer) showAnswer();
  else if (entry.trouble) showTrouble(entry.trouble);
  else showLoading(entry);
}

function leaveAlbum() {
  state.album?.stop();
  state.album = null;
  at("album").hidden = true;
}

// --- the request as code ---------------------------------------------------------------------------------------
function showRequest(chosen = "curl") {
  const address = new URL("v1/advice", document.baseURI).href;
  const texts = { ...snippets(state.question, state.options, address), Answer: readable(state.answer) };
  const tabs = at("request").querySelector(".tabs");
  tabs.replaceChildren(...Object.keys(texts).map((name) => make("button", { type: "button", role: "tab", "aria-selected": String(name === chosen), "aria-controls": "code", tabindex: name === chosen ? "0" : "-1", onclick: () => { showRequest(name); tabs.querySelector("[aria-selected=true]").focus(); } }, name)));
  tabs.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], names = Object.keys(texts);
    if (step) { showRequest(names[(names.indexOf(chosen) + step + names.length) % names.length]); tabs.querySelector("[aria-selected=true]").focus(); }
  };
  at("code").textContent = texts[chosen];
  at("copy-code").onclick = () => copy(texts[chosen], chosen === "Answer" ? "The answer is copied." : "The code is copied. It reads the key from STYLESYNC_KEY.");
  const { meta } = state.answer, took = meta.timing_ms?.total, cached = { hit: "from the cache", miss: "worked out just now", coalesced: "shared with an equal request", refresh: "worked out anew", bypass: "worked out without the cache" }[meta.cache.advice] ?? "";
  const rounded = (ms) => (ms < 10 ? ms.toFixed(1) : String(Math.round(ms)));
  const steps = Object.entries(meta.timing_ms ?? {}).filter(([name]) => name !== "total").map(([name, ms]) => `${name} ${rounded(ms)}`);
  at("timing").textContent = [took === undefined ? "" : `${rounded(took)} ms${steps.length ? ` (${steps.join(", ")})` : ""}`, cached].filter(Boolean).join(", ");
}

// --- the key ---------------------------------------------------------------------------------------------------
function openKey(why) {
  at("key-why").textContent = why ?? "The page sends it with each request and keeps it in this tab only.";
  at("key").value = key.get();
  if (!at("key-dialog").open) at("key-dialog").showModal();
  at("key").focus();
}

function showKey() {
  at("key-state").classList.toggle("set", Boolean(key.get()));
  at("key-open").setAttribute("aria-label", key.get() ? "Key: set" : "Key: none");
}

// --- events ----------------------------------------------------------------------------------------------------
function start() {
  at("schemes").append(...SCHEMES.map((name) => make("label", { class: "check" }, make("input", { type: "checkbox", value: name, checked: true }), name.replaceAll("_", " "))));
  at("item-kind").append(make("option", { value: "" }, "any kind"), ...Object.entries(KINDS).filter(([name]) => name !== "unknown").map(([value, name]) => make("option", { value }, name)));
  at("sample-photos").append(...SAMPLES.map((sample) => make("li", {}, make("button", { type: "button", "data-sample": sample.id, onclick: () => takeSample(sample.id) }, make("img", { src: `assets/${sample.small}`, alt: "", width: 360, height: 450, decoding: "async" }), make("span", {}, sample.title)))));
  at("sample-colors").append(...SAMPLE_COLORS.map(({ words, hexes }) => make("li", {}, make("button", { type: "button", class: "button", onclick: () => { at("colors").value = words; takeColors(words); } }, hexes.map((hex) => swatch(hex)), words))));
  at("ask").addEventListener("submit", (event) => { event.preventDefault(); takeColors(at("colors").value); });
  for (const id of ["photo", "camera"]) at(id).addEventListener("change", () => { const files = [...at(id).files]; at(id).value = ""; if (files.length) takePhotos(files); });
  at("ask").addEventListener("change", (event) => { if (event.target.matches("[name=intent], #schemes input, #ryb") && state.question) rerun(); });
  at("retry").addEventListener("click", () => (at("retry").textContent === "Give a key" ? openKey() : again()));
  at("cancel").addEventListener("click", () => { reset(); at("colors").focus(); });
  at("eyes").addEventListener("change", () => { document.body.dataset.eyes = at("eyes").value; });
  at("key-open").addEventListener("click", () => openKey());
  at("key-form").addEventListener("submit", () => { key.set(at("key").value); showKey(); if (document.body.dataset.state === "trouble") again(); });
  at("wardrobe-open").addEventListener("click", () => { showItems(); at("wardrobe-dialog").showModal(); });
  at("wardrobe-form").addEventListener("submit", (event) => { event.preventDefault(); addItem(); });
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
  at("csv").addEventListener("click", () => save(new Blob([state.album.csv()], { type: "text/csv" }), "colours.csv"));
  document.querySelector(".brand").addEventListener("click", (event) => { event.preventDefault(); history.pushState(null, "", location.pathname + location.search); reset(); });
  addEventListener("wardrobe", () => { showItems(); if (state.answer && !state.album) rerun(); });
  addEventListener("storage", (event) => { if (event.key === "wardrobe") showItems(); });
  addEventListener("popstate", readAddress);
  addEventListener("online", () => { if (document.body.dataset.state === "trouble" && state.question) again(); });
  document.addEventListener("click", (event) => {
    const copied = event.target.closest("[data-copy]");
    if (copied) copy(copied.dataset.copy);
    const chosen = event.target.closest(".sheet button");
    for (const menu of document.querySelectorAll(".menu[open]")) {
      if (menu.contains(event.target) && !chosen) continue;
      menu.open = false;
      if (menu.contains(chosen)) menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector(".menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  listenForPhotos();
  showItems();
  showKey();
  readAddress();
}

// Asks again with other options. The link follows.
function rerun() {
  if (state.question.colors) return takeColors(state.question.colors.join(", "));
  if (!state.album) return ask(state.question);
  const { album } = state;
  return takeAlbumAgain(album.entries);
}

async function takeAlbumAgain(entries) {
  state.album.stop();
  const album = new Album(entries, (entry, signal) => advise(entry, optionsNow(), { signal, progress: () => {} }), showEntry);
  state.album = album;
  showEntry(album.entries[0]);
  await album.run(() => { if (state.album === album) albumChanged(); });
}

// A photo may be dropped anywhere in the window, or pasted.
function listenForPhotos() {
  let depth = 0;
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const shown = (on) => { at("drop").hidden = !on; };
  addEventListener("dragenter", (event) => { if (files(event)) { event.preventDefault(); depth++; shown(true); } });
  addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  addEventListener("dragleave", (event) => { if (files(event) && --depth <= 0) { depth = 0; shown(false); } });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    shown(false);
    if (files(event)) takePhotos(await photosOf(event.dataTransfer));
  });
  addEventListener("paste", async (event) => {
    if (event.clipboardData?.files.length) {
      event.preventDefault();
      takePhotos(await photosOf(event.clipboardData));
    }
  });
}

start();
