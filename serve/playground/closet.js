// The wardrobe on the page: its list, what of it goes with the answer, and outfits.
import { fetched } from "./ask.js";
import { flatLay, KINDS, list, make, nameOf, piecesOfItems, swatch } from "./look.js";
import { at, split, state, toast } from "./state.js";
import { add, owned, remove } from "./wardrobe.js";

// A kind as something that is missing.
const NEEDED = { top: "a top", outerwear: "a jacket", bottom: "bottoms", full_body: "a dress", shoes: "shoes", accessory: "an accessory" };

export function keepButton(garment) {
  const first = garment.colors[0];
  if (!first) return null;
  const name = `${nameOf(first)} ${KINDS[garment.category].toLowerCase()}`;
  return make("button", { type: "button", class: "button slim keep", onclick: () => {
    const colors = garment.colors.map(({ hex, share, names, given }) => ({ hex, share, name: given ?? names.fashion.name }));
    toast(`“${add(name.slice(0, 1).toUpperCase() + name.slice(1), garment.category, colors)}” is in your wardrobe.`);
  } }, "Keep in my wardrobe");
}

export function showOwned() {
  const items = new Map(owned().map((item) => [item.id, item])), { answer } = state;
  // A garment that was kept from this photo does not go with itself.
  const same = (item) => answer.garments.some((garment) => garment.category === item.category && garment.colors[0]?.hex === item.colors[0].hex);
  const matches = answer.matches.filter((match) => items.has(match.item_id) && !same(items.get(match.item_id))), outfits = answer.outfits.filter((outfit) => outfit.item_ids.every((id) => items.has(id)));
  if (!matches.length && !outfits.length) return at("owned").replaceChildren();
  at("owned").replaceChildren(
    make("h3", {}, "From your wardrobe"),
    make("ul", { class: "rack" }, matches.slice(0, 8).map((match) => make("li", {}, swatch(items.get(match.item_id).colors[0].hex), match.item_id, make("small", {}, match.rating)))),
    make("ul", { class: "outfits" }, outfits.slice(0, 4).map((outfit) => outfitCard(outfit, items))),
  );
}

export function outfitCard(outfit, items) {
  const chosen = outfit.item_ids.map((id) => items.get(id)), worn = state.answer.mode === "colors" ? [] : state.answer.garments;
  const missing = outfit.missing.length ? make("small", {}, `Still needs ${list(outfit.missing.map((kind) => NEEDED[kind] ?? kind))}.`) : null;
  return make("li", { class: "card" }, flatLay(piecesOfItems([...worn, ...chosen].filter((item) => item.colors.length)), `Outfit: ${list(outfit.item_ids)}`),
    make("span", {}, list(outfit.item_ids)), missing);
}

export function showItems() {
  const items = owned();
  at("wardrobe-count").textContent = String(items.length);
  at("items").replaceChildren(...items.map((item) => make("li", {}, swatch(item.colors[0].hex, "large"),
    make("span", {}, make("b", {}, item.id), ` ${KINDS[item.category ?? "unknown"].toLowerCase()}, ${list(item.colors.slice(0, 3).map((color) => color.name ?? color.hex))}`),
    make("button", { type: "button", class: "button slim", "aria-label": `Remove ${item.id}`, onclick: () => remove(item.id) }, "Remove"))));
}

export async function addItem() {
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
