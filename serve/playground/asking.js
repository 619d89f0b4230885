// How a question is asked: by photo, colours, sample or link, one or several.
import { Album } from "./album.js";
import { showAnswer } from "./answer.js";
import { advise, key } from "./ask.js";
import { prepared } from "./photo.js";
import { SAMPLES } from "./samples.js";
import { at, intent, is, optionsNow, say, split, state, toast } from "./state.js";
import { progress, showKey, showLoading, showTrouble, stopCountdown } from "./states.js";
import { Trouble } from "./trouble.js";

// Asks the question. A newer question ends an older one, so no answer lands on another question's photo.
export async function ask(question) {
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

export async function takePhotos(files) {
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

export async function takePhoto(file, name) {
  state.controller?.abort();
  const turn = ++state.turn;
  const question = await prepared(file, name);
  if (turn === state.turn) return ask(question);
}

export function takeColors(text) {
  const colors = split(text);
  if (colors.length === 0) return at("colors").focus();
  state.balance = false;
  leaveAlbum();
  const link = `#colors=${colors.map(encodeURIComponent).join(",")}${intent() === "balanced" ? "" : `&intent=${intent()}`}`;
  if (location.hash !== link) history.pushState(null, "", link);
  return ask({ colors });
}

export async function takeSample(id) {
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

export function again() {
  if (state.album) return showEntry(state.album.shown);
  if (state.question) return ask(state.question);
}

// Asks again with other options. The link follows.
export function rerun() {
  if (state.question.colors) return takeColors(state.question.colors.join(", "));
  if (!state.album) return ask(state.question);
  const { album } = state;
  return takeAlbumAgain(album.entries);
}

export function reset() {
  state.controller?.abort();
  state.turn++;
  leaveAlbum();
  stopCountdown();
  Object.assign(state, { question: null, answer: null });
  at("colors").value = "";
  is("idle");
  at("result").hidden = at("trouble").hidden = true;
}

// What the address says after its #: a key, which is taken out of it, colours, or a sample.
export function readAddress() {
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

export async function takeAlbumAgain(entries) {
  state.album.stop();
  const album = new Album(entries, (entry, signal) => advise(entry, optionsNow(), { signal, progress: () => {} }), showEntry);
  state.album = album;
  showEntry(album.entries[0]);
  await album.run(() => { if (state.album === album) albumChanged(); });
}

export function showAlbum() {
  const { album } = state;
  at("album").hidden = false;
  at("strip").replaceChildren(...album.strip());
  at("table").querySelector("table").replaceChildren(...album.table());
}

export function albumChanged() {
  const { album } = state, { shown } = album;
  showAlbum();
  if ((shown.answer && state.answer !== shown.answer) || (shown.trouble && !shown.answer && document.body.dataset.state === "loading")) showEntry(shown);
  const done = album.entries.filter((entry) => entry.answer || entry.trouble).length;
  if (done === album.entries.length) say(`All ${done} photos are done.`);
}

export function showEntry(entry) {
  state.album.shown = entry;
  Object.assign(state, { question: entry, answer: entry.answer, options: optionsNow(), best: 0, swapped: {} });
  showAlbum();
  if (entry.answer) showAnswer();
  else if (entry.trouble) showTrouble(entry.trouble);
  else showLoading(entry);
}

export function leaveAlbum() {
  state.album?.stop();
  state.album = null;
  at("album").hidden = true;
}
