// Asks the service. Addresses are relative to the page, so that it works behind any prefix.
import { Trouble, troubleOf, unreachable } from "./trouble.js";

// Contract: the largest photo that a form may carry, and the largest upload.
const FORM_BYTES = 10 * 1024 * 1024;
const UPLOAD_BYTES = 50 * 1024 * 1024;

export const key = {
  get: () => sessionStorage.getItem("key") ?? "",
  set: (value) => sessionStorage.setItem("key", value.trim()),
};

// The advice for a question: {photo: Blob} or {colors: [text]}. progress: called with 0 to 1 during a long upload.
export async function advise(question, options, { signal, progress }) {
  if (question.colors) return post("v1/advice", JSON.stringify({ colors: question.colors, options }), signal);
  if (question.photo.size > FORM_BYTES) {
    const object_key = await upload(question.photo, signal, progress);
    return post("v1/advice", JSON.stringify({ object_key, options }), signal);
  }
  const body = new FormData();
  body.append("image", question.photo, question.name ?? "photo");
  body.append("options", JSON.stringify(options));
  return post("v1/advice", body, signal);
}

// Fetches with the key. Raises Trouble for everything that is not an answer.
export async function fetched(address, init = {}) {
  const headers = new Headers(init.headers);
  if (key.get()) headers.set("X-API-Key", key.get());
  let response;
  try {
    response = await fetch(address, { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) throw troubleOf(response, await response.text());
  return response;
}

async function post(address, body, signal) {
  const headers = typeof body === "string" ? { "Content-Type": "application/json" } : {};
  const response = await fetched(address, { method: "POST", body, headers, signal });
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The answer cannot be read", "A server in between sent something else than the service's answer.", { code: "NO_JSON", status: response.status });
  }
}

async function upload(photo, signal, progress) {
  if (photo.size > UPLOAD_BYTES) throw new Trouble("This photo is too large", "At most 50 MB can be uploaded. Save it smaller and try again.", { retry: false, code: "TOO_LARGE" });
  const wanted = { content_type: photo.type || "image/heic", content_length: photo.size, method: "POST" };
  const permit = await post("v1/uploads/presign", JSON.stringify(wanted), signal);
  const form = new FormData();
  for (const [name, value] of Object.entries(permit.fields)) form.append(name, value);
  form.append("file", photo);
  await new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", permit.url);
    request.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => (request.status < 300 ? resolve() : reject(new Trouble("The upload was refused", `The store answered with status ${request.status}. Try again.`, { code: "UPLOAD" })));
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
  return permit.object_key;
}
