// The clothes that a person owns, kept in this browser alone.

const PLACE = "wardrobe";
// Contract: the most items that one request takes, and the longest id.
const MOST = 500;
const LONGEST = 128;

export function owned() {
  try {
    const items = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(items) ? items.filter((item) => item && item.id && Array.isArray(item.colors) && item.colors.length) : [];
  } catch {
    return [];
  }
}

function keep(items) {
  localStorage.setItem(PLACE, JSON.stringify(items.slice(-MOST)));
  dispatchEvent(new Event("wardrobe"));
}

// Adds an item and gives its id. category: a garment class, or "" where it is not known.
export function add(name, category, colors) {
  const items = owned(), taken = new Set(items.map((item) => item.id));
  const base = (name.trim() || "Piece").slice(0, LONGEST - 4);
  let id = base;
  for (let count = 2; taken.has(id); count++) id = `${base} ${count}`;
  keep([...items, { id, ...(category && category !== "unknown" ? { category } : {}), colors }]);
  return id;
}

export function remove(id) {
  keep(owned().filter((item) => item.id !== id));
}
