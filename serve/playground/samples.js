// What a person can click before owning a photo. tests/bench/sample_photos.py paints the pictures.

export const SAMPLES = ["knit", "dress", "jacket", "stripes"].map((id, k) => ({
  id, title: ["Knit and jeans", "A dress", "A jacket", "A striped tee"][k], file: `sample-${id}.webp`, small: `sample-${id}-small.webp`,
}));

export const SAMPLE_COLORS = [
  { words: "camel, navy", hexes: ["#c19a6b", "#1f2a44"] },
  { words: "cobalt", hexes: ["#1d48a6"] },
  { words: "olive, cream", hexes: ["#66672f", "#f6e9c9"] },
  { words: "terracotta", hexes: ["#c2694b"] },
];

// Outfits that show what comes out: slot -> colour.
export const OUTFITS = [
  { top: "#f6e9c9", bottom: "#1f2a44", bag: "#c19a6b", shoes: "#7b3f2a" },
  { dress: "#a74b35", jacket: "#26282c", shoes: "#26282c", bag: "#a3cbe8" },
  { jacket: "#2c483b", top: "#eceff0", bottom: "#b78a58", shoes: "#5a3a28", scarf: "#cf9f2e" },
];
