// The answer on the page: the photo, the garments, the suggestions, and the request as code.
import { fetched } from "./ask.js";
import { again, ask } from "./asking.js";
import { keepButton, showOwned } from "./closet.js";
import { readable, snippets } from "./code.js";
import { altOf, clothView, garmentList, KINDS, layOf, list, make, photoView, smallCard, swatch, titleOf, whyOf } from "./look.js";
import { at, copy, intent, is, save, say, state, toast } from "./state.js";
import { DEGRADED } from "./trouble.js";

export function showAnswer() {
  const { answer, question } = state;
  is("answer");
  at("loading").hidden = at("trouble").hidden = true;
  at("result").hidden = false;
  const view = question.colors ? [clothView(answer.garments.flatMap((garment) => garment.colors))] : question.preview ? [photoView(answer, question.preview, altOf(answer))] : [make("p", { class: "fine" }, "This browser cannot draw the photo's format; the service read it.")];
  at("figure").replaceChildren(...view);
  at("seen").classList.toggle("beside", Boolean(question.preview && answer.garments.length && answer.image?.height > answer.image?.width));
  at("notices").replaceChildren(...notices(answer));
  at("garments").replaceChildren(garmentList(answer, keepButton));
  connect(at("seen"));
  showWear();
  showRequest();
  say(spoken(answer));
}

export function spoken(answer) {
  const found = state.question.colors ? "" : answer.garments.length ? `Found: ${list(answer.garments.map((garment) => KINDS[garment.category].toLowerCase()))}. ` : "No garment was found. ";
  return `${found}${answer.suggestions[0]?.summary ?? ""}`;
}

export function notices(answer) {
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

export function balance(on) {
  state.balance = on;
  ask(state.question);
}

// A garment of the list and its outline light up together.
export function connect(place) {
  const light = (id, on) => { for (const node of place.querySelectorAll("[data-garment]")) if (node.dataset.garment === id) node.classList.toggle("lit", on); };
  for (const node of place.querySelectorAll("[data-garment]")) {
    const id = node.dataset.garment;
    node.addEventListener("pointerenter", () => light(id, true));
    node.addEventListener("pointerleave", () => light(id, false));
    node.addEventListener("focusin", () => light(id, true));
    node.addEventListener("focusout", () => light(id, false));
    if (node.matches("svg *")) node.addEventListener("click", () => { const row = place.querySelector(`li[data-garment="${id}"] details`); row.open = !row.open; });
  }
}

// The suggestion with the colours that were swapped.
export function dressed(suggestion, number) {
  const swaps = state.swapped[number] ?? {};
  return { ...suggestion, colors: suggestion.colors.map((color) => ({ ...color, ...swaps[color.hex], was: color.hex })) };
}

export function showWear() {
  const { answer } = state, looks = answer.suggestions.map(dressed);
  at("wear").hidden = false;
  at("wear-title").textContent = answer.suggestions.length ? "Wear it with" : "No suggestions";
  at("best").replaceChildren(...(looks.length ? [bestCard(looks[state.best], state.best)] : [make("p", {}, answer.garments.length ? "No scheme fits these colours. Allow more schemes." : "There is nothing to match without a garment.")]));
  at("others").replaceChildren(...looks.map((look, number) => number === state.best ? null : smallCard(answer, look, () => choose(number))).filter(Boolean));
  showOwned();
}

export function choose(number) {
  state.best = number;
  showWear();
  at("best").querySelector("summary, button")?.focus();
  say(state.answer.suggestions[number].summary);
}

export function bestCard(look, number) {
  const changed = look.colors.filter((color) => color.hex !== color.was).map((color) => [color.name, namedFirst(number, color)]);
  const sentence = changed.length ? `${list(changed.map(([now, first]) => `${now} instead of ${first}`))}.` : look.summary;
  const why = whyOf(state.answer, look);
  if (changed.length) why.querySelector("summary").after(make("p", {}, `The reasons below are for ${list(changed.map(([, first]) => first))}, not for ${list(changed.map(([now]) => now))}.`));
  return make("article", { class: "best card" }, layOf(state.answer, look),
    make("div", { class: "told" },
      make("div", { class: "lead" }, titleOf(look), make("h3", { class: "sentence" }, sentence.slice(0, 1).toUpperCase() + sentence.slice(1)),
        make("div", { class: "swaps" }, look.colors.map((color) => swapMenu(color, number)))),
      look.how_to_wear.length ? make("ul", { class: "how" }, look.how_to_wear.slice(0, 2).map((one) => make("li", {}, worded(one, changed)))) : null,
      why,
      make("div", { class: "row tools" }, exportMenu(look),
        make("button", { type: "button", class: "button slim", onclick: () => saveCard(look) }, "Save as picture"),
        make("button", { type: "button", class: "button slim", onclick: copyLink }, "Copy link"))));
}

// The name of the colour that was suggested where this one stands now.
const namedFirst = (number, color) => state.answer.suggestions[number].colors.find((one) => one.hex === color.was).name;

// A hint with the colours that were swapped. changed: pairs of the new and the suggested name. Metals are no cloth.
export function worded({ code, text }, changed) {
  if (code.startsWith("METAL")) return text;
  const names = new Map(changed.map(([now, first]) => [first, now]));
  const first = [...names.keys()].sort((a, b) => b.length - a.length).join("|");
  if (!first) return text;
  return text.replace(new RegExp(`\\b(an? )?(${first})\\b`, "i"), (_, article, found) => {
    const now = names.get(found.toLowerCase());
    return `${article ? (/^[aeiou]/.test(now) ? "an " : "a ") : ""}${now}`;
  });
}

// A suggested colour, with those that could take its place.
export function swapMenu(color, number) {
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

export const FORMATS = [["svg", "picture"], ["png", "picture"], ["css", "variables"], ["gpl", "GIMP, Inkscape"], ["ase", "Adobe"], ["json", "data"]];

export function exportMenu(look) {
  return make("details", { class: "menu" }, make("summary", { class: "button slim" }, "Save palette"),
    make("div", { class: "sheet" }, FORMATS.map(([format, about]) => make("button", { type: "button", onclick: () => savePalette(look, format) }, format.toUpperCase(), make("small", {}, about)))));
}

export async function savePalette(look, format) {
  const colors = [...new Set([...look.for.colors, ...look.colors.map((color) => color.hex)])].slice(0, 12).map((hex) => hex.slice(1));
  try {
    const response = await fetched(`v1/palette?colors=${colors.join(",")}&format=${format}`);
    save(await response.blob(), `palette.${format}`);
  } catch (trouble) {
    toast(trouble.title ?? "The palette could not be saved.");
  }
}

export async function saveCard(look) {
  const { shareCard } = await import("./card.js");
  save(await shareCard(state.answer, look), "stylesync.png");
}

export function copyLink() {
  const colors = state.question.colors ?? state.answer.garments.flatMap((garment) => garment.colors.slice(0, 1).map((color) => color.hex)).slice(0, 12);
  const link = location.hash.startsWith("#sample=") ? location.href : new URL(`#colors=${colors.map(encodeURIComponent).join(",")}${intent() === "balanced" ? "" : `&intent=${intent()}`}`, location.href).href;
  copy(link, state.question.colors || location.hash ? "The link is copied." : "A link to the photo's colours is copied; the photo is not in it.");
}

export function showRequest(chosen = "curl") {
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
