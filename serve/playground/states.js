// What stands on the page while there is no answer: waiting, trouble, and the question for a key.
import { key } from "./ask.js";
import { takeColors } from "./asking.js";
import { flatLay, make } from "./look.js";
import { at, is, say, state } from "./state.js";

export function showLoading(question) {
  is("loading");
  at("seen").classList.remove("beside");
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

export function progress(share) {
  at("progress").hidden = false;
  at("progress").value = share;
  at("loading-text").textContent = share < 1 ? `Uploading, ${Math.round(100 * share)} %` : "Looking at the photo";
}

export function showTrouble(trouble) {
  is("trouble");
  at("seen").classList.remove("beside");
  Object.assign(state, { answer: null });
  at("loading").hidden = true;
  at("result").hidden = !state.question?.preview;
  at("notices").replaceChildren();
  at("garments").replaceChildren();
  at("trouble").hidden = false;
  at("trouble-title").textContent = trouble.title;
  at("trouble-text").textContent = trouble.text;
  at("trouble-fields").replaceChildren(...trouble.fields.map(correction));
  const about = [trouble.code, trouble.requestId && `request ${trouble.requestId}`].filter(Boolean).join(" · ");
  const page = /^[A-Z_]+$/.test(trouble.code) && trouble.status ? `docs/errors/${trouble.code.toLowerCase().replaceAll("_", "-")}` : "";
  at("trouble-code").replaceChildren(page ? make("a", { href: page }, about) : about);
  at("retry").hidden = !trouble.retry && trouble.status !== 401;
  at("retry").textContent = trouble.status === 401 ? "Give a key" : "Try again";
  startCountdown(trouble.retry ? trouble.waitS : 0);
  say(`${trouble.title}. ${trouble.text}`);
  if (trouble.status === 401) return openKey(key.get() ? "The server does not take this key: it is wrong or revoked. Try another." : "The server wants an API key.");
  at("trouble-title").focus();
}

// What is wrong with a field. The nearest colours to an unknown word are buttons that put it right.
function correction(text) {
  const found = /^'(.+?)' is not a known colour\. Did you mean (.+?)\?/.exec(text);
  if (!found || !state.question?.colors) return make("li", {}, text);
  const [, wrong, words] = found;
  const correct = (word) => {
    at("colors").value = state.question.colors.map((color) => (color === wrong ? word : color)).join(", ");
    takeColors(at("colors").value);
  };
  return make("li", {}, `“${wrong}” is not a known colour. Did you mean one of these? `,
    make("span", { class: "row" }, words.split(" or ").map((word) => make("button", { type: "button", class: "button slim", onclick: () => correct(word) }, word))));
}

export function startCountdown(seconds) {
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

export function stopCountdown() {
  clearInterval(startCountdown.timer);
  at("countdown").textContent = "";
  at("retry").disabled = false;
}

export function openKey(why) {
  at("key-why").textContent = why ?? "The page sends it with each request and keeps it in this tab only.";
  at("key").value = key.get();
  if (!at("key-dialog").open) at("key-dialog").showModal();
  at("key").focus();
}

export function showKey() {
  at("key-state").classList.toggle("set", Boolean(key.get()));
  at("key-open").setAttribute("aria-label", key.get() ? "Key: set" : "Key: none");
}
