// A photo and two colours, as the README of the client shows them. The service and the key are in the environment.
import { openAsBlob } from "node:fs";
import { Refused, StyleSync } from "@stylesync/client";

const client = new StyleSync(process.env.KEY!, { baseUrl: process.env.BASE });

const advice = await client.advise({ photo: await openAsBlob(process.env.PHOTO!, { type: "image/jpeg" }), intent: "bold" });
for (const garment of advice.garments) console.log(garment.label, garment.colors[0].name, garment.colors[0].hex);
console.log(advice.suggestions[0].summary);

const colors = await client.advise({
  colors: ["navy", { hex: "#c19a6b", share: 0.3 }],
  wardrobe: [{ id: "w17", hex: "white" }],
});
console.log(colors.answer.matches[0].item_id, colors.suggestions[0].colors.map((color) => color.hex));
console.log(await (await client.palette(["navy", "camel"], "css")).text());

try {
  await client.advise({ colors: ["blurple"] });
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.log(error.code, error.problem.detail);
}
