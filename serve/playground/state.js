// What the page knows and says: the question, its answer, the options, and short messages.
import { make } from "./look.js";
import { owned } from "./wardrobe.js";

export const at = (id) => document.getElementById(id);

export const SCHEMES = ["complementary", "split_complementary", "analogous", "triadic", "tetradic", "monochromatic", "neutral"];

// One suggestion stands large, three stand small.
export const SUGGESTIONS = 4;

// question: {photo, preview, name} or {colors}. best: which suggestion stands large. swapped: colours that were swapped.
export const state = { question: null, answer: null, options: null, best: 0, swapped: {}, turn: 0, controller: null, album: null, balance: false };

export const intent = () => document.querySelector("#ask [name=intent]:checked").value;

export function optionsNow() {
  const options = { intent: intent(), max_suggestions: SUGGESTIONS, include: ["alternatives", "masks", "timings"] };
  const schemes = [...document.querySelectorAll("#schemes input:checked")].map((box) => box.value);
  if (schemes.length && schemes.length < SCHEMES.length) options.schemes = schemes;
  if (at("ryb").checked) options.wheel = "ryb";
  if (state.balance) options.white_balance = "apply";
  const wardrobe = owned().map(({ id, category, colors }) => ({ id, colors: colors.map(({ hex, share }) => ({ hex, ...(share ? { share } : {}) })), ...(category ? { category } : {}) }));
  if (wardrobe.length) options.wardrobe = wardrobe;
  return options;
}

// Commas inside parentheses do not separate.
export function split(text) {
  return text.split(/,(?![^(]*\))|;|\n/).map((part) => part.trim()).filter(Boolean);
}

export function is(name) {
  document.body.dataset.state = name;
}

export function say(text) {
  at("status").textContent = text;
}

export function toast(text) {
  at("toast").textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { at("toast").textContent = ""; }, 2600);
}

export function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  toast(`${name} is saved.`);
}

export async function copy(text, said = `${text} is copied.`) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast("The browser does not allow copying here.");
  }
}
