// Shows the API reference in the playground's colours, with the key that the playground has.
const dark = matchMedia("(prefers-color-scheme: dark)");
// RapiDoc hides its list of operations in windows narrower than this. There the operations themselves are the list.
const narrow = matchMedia("(max-width: 767px)");

function reference() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const element = document.createElement("rapi-doc");
  const settings = {
    "render-style": narrow.matches ? "view" : "focused", theme: dark.matches ? "dark" : "light", "show-header": "false",
    "bg-color": color("paper"), "text-color": color("ink"), "primary-color": color("focus"),
    "nav-bg-color": color("paper"), "nav-text-color": color("ink"), "nav-hover-bg-color": color("line"), "nav-hover-text-color": color("ink"), "nav-accent-color": color("ink"),
    "regular-font": "Instrument Sans, system-ui, sans-serif", "mono-font": "ui-monospace, Menlo, Consolas, monospace", "load-fonts": "false", "font-size": "large",
    "schema-style": "table", "schema-expand-level": "1", "default-schema-tab": "schema", "response-area-height": "420px",
    "allow-server-selection": "false", "allow-advanced-search": "false", "show-method-in-nav-bar": "as-colored-text", "use-path-in-nav-bar": "true",
    "allow-spec-file-download": "false", "fill-request-fields-with-example": "true", "show-curl-before-try": "true", "persist-auth": "false", "sort-tags": "false", "update-route": "true",
  };
  for (const [name, value] of Object.entries(settings)) element.setAttribute(name, value);
  element.addEventListener("spec-loaded", () => { const key = sessionStorage.getItem("key"); if (key) element.setApiKey("APIKeyHeader", key); });
  return element;
}

// The document as the form needs it: whole addresses, the form's options as a text of JSON, and the errors once.
function forms(spec) {
  const shown = structuredClone(spec);
  shown.servers = [{ url: new URL(".", document.baseURI).href.replace(/\/$/, "") }];
  shown.info.description += "\n\nEvery error is a problem document with a `code`. [What each code means](docs/errors).";
  for (const operation of Object.values(shown.paths).flatMap((item) => Object.values(item))) {
    const form = operation.requestBody?.content["multipart/form-data"]?.schema;
    if (form) form.properties.options = { type: "string", description: "The options as JSON, such as `{\"intent\": \"bold\"}`; `OptionsModel` describes them." };
    for (const [status, response] of Object.entries(operation.responses)) {
      if (status < 400) continue;
      const names = Object.keys(Object.values(response.content)[0].examples ?? {});
      response.description = `${response.description}. ${names.map((name) => `[${name}](docs/errors/${name.toLowerCase().replaceAll("_", "-")})`).join(", ")}`;
      delete response.content;
      delete response.headers;
    }
  }
  return shown;
}

const described = fetch("openapi.json").then((response) => response.json()).then(forms);

// RapiDoc names its fields for the eye only. This names them for screen readers too.
function name(root) {
  root.querySelector("nav")?.setAttribute("aria-label", "Operations");
  for (const field of root.querySelectorAll("input, select, textarea")) {
    if (!field.labels?.length && !field.hasAttribute("aria-label")) field.setAttribute("aria-label", field.dataset.pname || field.placeholder || "Content type");
  }
  // Code that is wider than a phone can be scrolled by keyboard too.
  for (const code of root.querySelectorAll("pre")) code.tabIndex = 0;
  for (const inner of root.querySelectorAll("api-request, api-response, schema-table, schema-tree, json-tree, tag-input")) if (inner.shadowRoot) watch(inner.shadowRoot);
}

// RapiDoc's light colours are too pale for text, its line on the licence begins left of the text,
// and in a narrow window it draws the kinds of keys over the first operation.
const legible = new CSSStyleSheet();
legible.replaceSync("#api-info { margin-left: 0 !important; } @media (max-width: 767px) { .summary > div:has(.tooltip) { display: none; } } @media (prefers-color-scheme: light) { *, *::before, *::after { --green: #3a6600; --blue: #0a58a8; --red: #b3261e; --orange: #8a4b00; --yellow: #725800; --purple: #5a3fb0; --nav-get-color: #0a58a8; --nav-post-color: #3a6600; --nav-delete-color: #b3261e; --nav-put-color: #8a4b00; --nav-head-color: #725800; } }");

const watched = new WeakSet();

function watch(root) {
  if (!watched.has(root)) {
    watched.add(root);
    new MutationObserver(() => name(root)).observe(root, { childList: true, subtree: true });
  }
  name(root);
}

async function show() {
  const element = reference();
  document.getElementById("reference").replaceChildren(element);
  await customElements.whenDefined("rapi-doc");
  element.shadowRoot.adoptedStyleSheets.push(legible);
  watch(element.shadowRoot);
  element.loadSpec(structuredClone(await described));
}

for (const query of [dark, narrow]) query.addEventListener("change", show);
show();
