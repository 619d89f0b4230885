// A suggestion as a picture to share: 1,200 × 630 px.
import { layOf, list, nameOf, rgbOf } from "./look.js";

const WIDTH = 1200, HEIGHT = 630;

export async function shareCard(answer, suggestion) {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d");
  await Promise.all([document.fonts.load('60px "Instrument Serif"'), document.fonts.load('26px "Instrument Sans"')]);
  context.fillStyle = "#f6f4ef";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = "#ffffff";
  context.beginPath();
  context.roundRect(48, 48, 424, HEIGHT - 96, 28);
  context.fill();
  context.drawImage(await pictureOf(layOf(answer, suggestion)), 84, 70, 352, 490);
  context.fillStyle = "#17181d";
  context.textBaseline = "alphabetic";
  context.font = '58px "Instrument Serif", serif';
  let y = 120;
  const worn = answer.garments.filter((garment) => suggestion.for.garment_ids.includes(garment.id)).flatMap((garment) => garment.colors.slice(0, answer.mode === "colors" ? 4 : 1));
  for (const line of wrapped(context, sentenceOf(worn, suggestion), 620)) {
    context.fillText(line, 528, y);
    y += 62;
  }
  y += 8;
  const colors = [...worn.map((color) => [color.hex, nameOf(color)]), ...suggestion.colors.map((color) => [color.hex, color.name])].slice(0, 5);
  for (const [hex, name] of colors) {
    swatch(context, hex, 528, y);
    context.fillStyle = "#17181d";
    context.font = '600 26px "Instrument Sans", sans-serif';
    context.fillText(name, 600, y + 34);
    context.fillStyle = "#5a5c66";
    context.font = "22px ui-monospace, monospace";
    context.fillText(hex, 900, y + 34);
    y += 64;
  }
  context.fillStyle = "#5a5c66";
  context.font = '28px "Instrument Serif", serif';
  context.fillText("StyleSync ColorMatch", 528, HEIGHT - 56);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// A picture stands alone, so it never says what a swapped colour stands for.
function sentenceOf(worn, suggestion) {
  if (suggestion.colors.every((color) => color.hex === color.was)) return suggestion.summary;
  const told = `${list(worn.map(nameOf))} with ${list(suggestion.colors.map((color) => color.name))}.`;
  return told.slice(0, 1).toUpperCase() + told.slice(1);
}

function swatch(context, hex, x, y) {
  context.fillStyle = hex;
  context.strokeStyle = rgbOf(hex).every((value) => value > 215) ? "#b9b6ad" : hex;
  context.lineWidth = 2;
  context.beginPath();
  context.roundRect(x, y, 52, 50, 12);
  context.fill();
  context.stroke();
}

function wrapped(context, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (context.measureText(longer).width > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.slice(0, 4);
}

async function pictureOf(svg) {
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("width", 704);
  svg.setAttribute("height", 910);
  const address = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" }));
  const image = new Image();
  image.src = address;
  await image.decode();
  URL.revokeObjectURL(address);
  return image;
}
