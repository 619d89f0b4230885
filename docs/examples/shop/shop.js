// A product page that asks the colour service which other articles go with the one that is shown.
// In a real shop your own server would make this call, so that the key stays secret, and would cache the answer.
const SHOWN = 4;
const SHAPES = {
  top: "M30 22 12 34 18 48 28 42V88H72V42L82 48 88 34 70 22 60 28H40Z",
  outerwear: "M30 16 12 30 16 60 26 58V92H74V58L84 60 88 30 70 16 50 34Z",
  bottom: "M30 12H70L76 92H56L50 40 44 92H24Z",
  full_body: "M36 10 40 34 24 92H76L60 34 64 10 56 18H44Z",
  shoes: "M10 52 34 50 52 64 86 68Q92 76 88 82H12Z",
  accessory: "M20 20 80 28 78 44 40 40 44 88H28L30 40 18 36Z",
};

const catalogue = await (await fetch("catalogue.json")).json();
const form = document.querySelector("#settings");
const asked = new URLSearchParams(location.hash.slice(1));
for (const name of ["base", "key"]) {
  form.elements[name].value = asked.get(name) ?? sessionStorage.getItem(name) ?? form.elements[name].value;
}
let shown = catalogue.find((one) => one.id === asked.get("article")) ?? catalogue[0];
let latest = 0;

// What comes from elsewhere is text, and never markup.
const text = (value) => String(value).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function picture(article) {
  const shape = SHAPES[article.drawing];
  return `<svg class="picture" viewBox="0 0 100 100" role="img" aria-label="${text(article.name)}">
    <path d="${shape}" fill="${article.hex}" stroke="#0003" stroke-linejoin="round"/></svg>`;
}

function card(article, reason = "") {
  return `<li><a href="#article=${article.id}" data-id="${article.id}">${picture(article)}
    <span class="name">${text(article.name)}</span> <span class="price">€ ${article.price}</span>
    ${reason && `<div class="reason">${text(reason)}</div>`}</a></li>`;
}

function draw() {
  document.querySelector("#product").innerHTML = `${picture(shown)}
    <div><h1>${text(shown.name)}</h1><p class="price">€ ${shown.price}</p></div>`;
  document.querySelector("#catalogue").innerHTML = catalogue.map((one) => card(one)).join("");
}

// Asks for advice on the shown article, with the rest of the catalogue as the wardrobe.
async function advise() {
  const { base, key } = Object.fromEntries(new FormData(form));
  const call = ++latest;
  const others = catalogue.filter((one) => one.category !== shown.category);
  const wardrobe = others.map(({ id, color, category }) => ({ id, colors: [color], category }));
  const body = { colors: [shown.color], options: { category: shown.category, max_suggestions: 1, wardrobe } };
  const headers = { "X-API-Key": key, "Content-Type": "application/json" };
  const response = await fetch(`${base}/v1/colors/advice`, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => {
    throw new Error(`${base} does not answer. Does make serve run, and on this port? The address can be changed below.`);
  });
  const answer = await response.json();
  if (call !== latest) return;
  if (!response.ok) throw new Error(answer.detail);
  show(answer, others);
}

function show(answer, others) {
  // One article of each kind, the best first, so that the row is an outfit and not five white shirts.
  const best = new Map();
  for (const match of answer.matches) {
    const article = others.find((one) => one.id === match.item_id);
    if (!best.has(article.category)) best.set(article.category, [article, match]);
  }
  const cards = [...best.values()].slice(0, SHOWN);
  document.querySelector("#why").textContent = answer.suggestions[0]?.summary ?? "";
  // Several articles may share a reason, such as that they are neutral; each card says one that no other says.
  const told = new Set();
  document.querySelector("#matches").innerHTML = cards
    .map(([article, match]) => {
      const reason = match.reasons.find((one) => !told.has(one.code));
      told.add(reason?.code);
      return card(article, reason?.text);
    })
    .join("");
}

async function refresh() {
  form.hidden = Boolean(form.elements.key.value);
  draw();
  if (!form.elements.key.value) return;
  try {
    await advise();
  } catch (error) {
    form.hidden = false;
    document.querySelector("#why").innerHTML = `<span class="error">No advice: ${text(error.message)}</span>`;
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-id]");
  if (!link) return;
  event.preventDefault();
  shown = catalogue.find((one) => one.id === link.dataset.id);
  history.replaceState(null, "", `#article=${shown.id}`);
  scrollTo({ top: 0 });
  refresh();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  for (const name of ["base", "key"]) sessionStorage.setItem(name, form.elements[name].value);
  refresh();
});
// The key leaves the address bar, as on the playground.
if (asked.has("key")) {
  sessionStorage.setItem("key", asked.get("key"));
  sessionStorage.setItem("base", form.elements.base.value);
  history.replaceState(null, "", `#article=${shown.id}`);
}
refresh();
