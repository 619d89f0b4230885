// The documented requests in TypeScript, which `make lint-api` compiles against the types that openapi-typescript makes.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const client = createClient<paths>({ baseUrl: "https://colors.example", headers: { "X-API-Key": "ssk_…" } });

export async function colours(): Promise<string[]> {
  const { data, error } = await client.POST("/v1/colors/advice", { body: { colors: ["#1f2a44", { hex: "#c19a6b", share: 0.4 }] } });
  if (error) throw new Error(`${error.code}: ${error.detail}`);
  return data.suggestions.flatMap((one) => one.colors.map((color) => color.hex));
}
export const bold = () => client.POST("/v1/colors/advice", { body: { colors: ["navy"], options: { intent: "bold" } } });
export const union = () => client.POST("/v1/advice", { body: { colors: ["navy"], options: { max_suggestions: 2 } } });
export const wardrobe = () =>
  client.POST("/v1/colors/advice", {
    body: { colors: ["navy"], options: { wardrobe: [{ id: "w17", hex: "#c19a6b", category: "bottom" }, { id: "w3", colors: ["white"] }] } },
  });
export const uploaded = (key: string) => client.POST("/v1/extract", { body: { object_key: key } });
export const photo = (base64: string) => client.POST("/v1/advice", { body: { image: { base64 }, options: { subject: "worn" } } });
export const presign = () => client.POST("/v1/uploads/presign", { body: { content_type: "image/jpeg", content_length: 300000 } });
export const palette = () => client.GET("/v1/palette", { params: { query: { colors: "1f2a44,c19a6b" } } });
export const ready = () => client.GET("/v1/readyz");

// A file goes as a form: the generated type of a binary part is a string.
export function form(image: Blob, options: components["schemas"]["OptionsModel"] = {}) {
  const body = new FormData();
  body.append("image", image);
  body.append("options", JSON.stringify(options));
  return client.POST("/v1/advice", { body: { image: "" }, bodySerializer: () => body });
}
