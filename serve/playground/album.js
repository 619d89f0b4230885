// Several photos: a strip of them, asked two at a time, and a table of what was found.
import { bar, KINDS, make, nameOf, swatch } from "./look.js";

// Taste: more at a time would crowd out other people's requests.
const AT_ONCE = 2;
const TRIES = 3;

export class Album {
  // entries: {name, photo, preview}. ask: gives the answer of an entry. chosen: called with an entry that is to be shown.
  constructor(entries, ask, chosen) {
    this.entries = entries.map((entry) => ({ ...entry, answer: null, trouble: null }));
    this.controller = new AbortController();
    this.shown = null;
    this.ask = ask;
    this.chosen = chosen;
  }

  async run(changed) {
    const waiting = [...this.entries];
    const worker = async () => {
      for (let entry = waiting.shift(); entry && !this.controller.signal.aborted; entry = waiting.shift()) {
        await this.#one(entry);
        changed();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  async #one(entry) {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      try {
        entry.answer = await this.ask(entry, this.controller.signal);
        entry.trouble = null;
        return;
      } catch (trouble) {
        if (trouble.name === "AbortError") return;
        entry.trouble = trouble;
        if (!trouble.retry || attempt === TRIES) return;
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(1, trouble.waitS)));
      }
    }
  }

  stop() {
    this.controller.abort();
  }

  strip() {
    return this.entries.map((entry) => {
      const done = entry.answer ? "yes" : entry.trouble ? "bad" : "no";
      const colors = entry.answer?.garments.flatMap((garment) => garment.colors.slice(0, 1)) ?? [];
      return make("button", { type: "button", "data-done": done, "aria-current": this.shown === entry ? "true" : null, "aria-label": `${entry.name}: ${{ yes: "ready", bad: "failed", no: "waiting" }[done]}`, onclick: () => this.chosen(entry) },
        entry.preview ? make("img", { src: entry.preview, alt: "" }) : "photo", colors.length ? bar(colors.map((color) => ({ ...color, share: 1 }))) : null);
    });
  }

  rows() {
    return this.entries.flatMap((entry) => {
      if (!entry.answer) return [[entry.name, entry.trouble ? entry.trouble.title : "waiting", "", "", "", ""]];
      const best = entry.answer.suggestions[0];
      const goes = best ? best.colors.map((color) => color.name).join(", ") : "";
      if (!entry.answer.garments.length) return [[entry.name, "no garment found", "", "", "", ""]];
      return entry.answer.garments.map((garment) => {
        const color = garment.colors[0];
        return [entry.name, KINDS[garment.category], color ? nameOf(color) : "", color?.hex ?? "", color ? Math.round(100 * color.share) / 100 : "", best?.for.garment_ids.includes(garment.id) ? goes : ""];
      });
    });
  }

  table() {
    const head = make("thead", {}, make("tr", {}, HEAD.map((name) => make("th", { scope: "col" }, name))));
    const body = this.rows().map((row) => make("tr", {}, row.map((cell, k) => make("td", {}, k === 3 && cell ? swatch(cell) : null, k === 4 && cell !== "" ? `${Math.round(100 * cell)} %` : String(cell)))));
    return [make("caption", { class: "hidden" }, "Every garment of every photo"), head, make("tbody", {}, body)];
  }

  csv() {
    const cell = (value) => (/^[=+@-]/.test(String(value)) ? `"'${String(value).replaceAll('"', '""')}"` : /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    return [HEAD, ...this.rows()].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }
}

const HEAD = ["Photo", "Garment", "Colour", "Hex", "Share", "Wear with"];
