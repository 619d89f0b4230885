// The request that the page sent, as code to paste.

import { SAMPLES } from "./samples.js";

// Options that a reader wants to see: those that differ from the service's own.
export function telling(options) {
  const shown = {};
  if (options.intent !== "balanced") shown.intent = options.intent;
  for (const name of ["wheel", "schemes", "white_balance", "wardrobe"]) if (options[name] !== undefined) shown[name] = options[name];
  return shown;
}

export function snippets(question, options, address) {
  const shown = telling(options);
  const sample = SAMPLES.some(({ file }) => file === question.name);
  const code = question.colors ? ofColors({ colors: question.colors, ...given(shown) }, address) : ofPhoto(question.name ?? "photo.jpg", shown, address);
  // A sample is on the server, and not on the reader's disk.
  if (sample) code.curl = `curl -sSO ${address.replace("v1/advice", "assets/")}${question.name}\n${code.curl}`;
  return code;
}

const given = (options) => (Object.keys(options).length ? { options } : {});
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function ofColors(body, address) {
  const json = JSON.stringify(body);
  return {
    curl: `curl -sS ${address} \\\n  -H "X-API-Key: $STYLESYNC_KEY" -H 'Content-Type: application/json' \\\n  -d ${quoted(json)}`,
    Python: `import os\nimport httpx\n\nanswer = httpx.post(\n    ${JSON.stringify(address)},\n    headers={"X-API-Key": os.environ["STYLESYNC_KEY"]},\n    json=${python(body)},\n).raise_for_status().json()\nprint(answer["suggestions"][0]["summary"])`,
    TypeScript: `const response = await fetch(${JSON.stringify(address)}, {\n  method: "POST",\n  headers: { "X-API-Key": process.env.STYLESYNC_KEY!, "Content-Type": "application/json" },\n  body: JSON.stringify(${json}),\n});\nconst answer = await response.json();\nconsole.log(answer.suggestions[0].summary);`,
  };
}

function ofPhoto(name, options, address) {
  const json = JSON.stringify(options), some = Object.keys(options).length > 0;
  return {
    curl: `curl -sS ${address} \\\n  -H "X-API-Key: $STYLESYNC_KEY" \\\n  -F image=@${quoted(name)}${some ? ` \\\n  -F options=${quoted(json)}` : ""}`,
    Python: `import os\nimport httpx\n\nwith open(${JSON.stringify(name)}, "rb") as photo:\n    answer = httpx.post(\n        ${JSON.stringify(address)},\n        headers={"X-API-Key": os.environ["STYLESYNC_KEY"]},\n        files={"image": photo},${some ? `\n        data={"options": ${JSON.stringify(json)}},` : ""}\n    ).raise_for_status().json()\nprint(answer["suggestions"][0]["summary"])`,
    TypeScript: `import { readFile } from "node:fs/promises";\n\nconst form = new FormData();\nform.append("image", new Blob([await readFile(${JSON.stringify(name)})]));\n${some ? `form.append("options", JSON.stringify(${json}));\n` : ""}const response = await fetch(${JSON.stringify(address)}, {\n  method: "POST",\n  headers: { "X-API-Key": process.env.STYLESYNC_KEY! },\n  body: form,\n});\nconst answer = await response.json();\nconsole.log(answer.suggestions[0].summary);`,
  };
}

function python(value) {
  return JSON.stringify(value).replaceAll(/":/g, '": ').replaceAll(/,"/g, ', "').replaceAll("true", "True").replaceAll("false", "False").replaceAll("null", "None");
}

// The answer as JSON, with the long masks cut.
export function readable(answer) {
  return JSON.stringify(answer, (name, value) => (name === "counts" && value.length > 60 ? `${value.slice(0, 40)}… (${value.length} characters)` : value), 2);
}
