// Shows the API reference in the playground's colours, with the key that the playground has.
const dark = matchMedia("(prefers-color-scheme: dark)");

function reference() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const element = document.createElement("rapi-doc");
  const settings = {
    "spec-url": "openapi.json", "render-style": "focused", theme: dark.matches ? "dark" : "light", "show-header": "false",
    "bg-color": color("paper"), "text-color": color("ink"), "primary-color": color("focus"),
    "nav-bg-color": color("paper"), "nav-text-color": color("ink"), "nav-hover-bg-color": color("line"), "nav-hover-text-color": color("ink"), "nav-accent-color": color("ink"),
    "regular-font": "Instrument Sans, system-ui, sans-serif", "mono-font": "ui-monospace, Menlo, Consolas, monospace", "load-fonts": "false", "font-size": "large",
    "schema-style": "table", "schema-expand-level": "1", "default-schema-tab": "schema", "response-area-height": "420px",
    "allow-server-selection": "false", "allow-advanced-search": "false", "show-method-in-nav-bar": "as-colored-text", "use-path-in-nav-bar": "true",
    "allow-spec-file-download": "false", "show-curl-before-try": "true", "persist-auth": "false", "sort-tags": "false", "update-route": "true",
  };
  for (const [name, value] of Object.entries(settings)) element.setAttribute(name, value);
  element.addEventListener("spec-loaded", () => { const key = sessionStorage.getItem("key"); if (key) element.setApiKey("APIKeyHeader", key); });
  return element;
}

function show() {
  document.getElementById("reference").replaceChildren(reference());
}

dark.addEventListener("change", show);
show();
