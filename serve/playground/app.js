// The playground: listens to the person, and begins with what the address says.
import { key } from "./ask.js";
import { again, readAddress, rerun, reset, takeColors, takePhotos, takeSample } from "./asking.js";
import { addItem, showItems } from "./closet.js";
import { flatLay, KINDS, make, swatch } from "./look.js";
import { photosOf } from "./photo.js";
import { OUTFITS, SAMPLES, SAMPLE_COLORS } from "./samples.js";
import { at, copy, save, SCHEMES, state } from "./state.js";
import { openKey, showKey } from "./states.js";

function start() {
  at("schemes").append(...SCHEMES.map((name) => make("label", { class: "check" }, make("input", { type: "checkbox", value: name, checked: true }), name.replaceAll("_", " "))));
  at("item-kind").append(make("option", { value: "" }, "any kind"), ...Object.entries(KINDS).filter(([name]) => name !== "unknown").map(([value, name]) => make("option", { value }, name)));
  at("hero-lays").append(...OUTFITS.map((outfit) => flatLay(Object.fromEntries(Object.entries(outfit).map(([slot, hex]) => [slot, [{ hex, share: 1 }]])), "")));
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
