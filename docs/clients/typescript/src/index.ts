// Colour advice in one call: sends photos and colours, waits when the service is busy, and gives palettes as objects.
import type { components } from "./schema.js";

type Schemas = components["schemas"];
export type { components, paths } from "./schema.js";
export type AdviceAnswer = Schemas["AdviceAnswer"];
export type Problem = Schemas["Problem"];
export type Options = Schemas["OptionsModel"];
export type ColorText = Schemas["ColorsRequest"]["colors"][number];
export type PaletteFormat = "json" | "svg" | "png" | "css" | "gpl" | "ase";

/** One colour of a palette; share: 0 to 1. */
export interface Color {
  hex: string;
  name: string;
  share: number;
  role: string;
}

/** Colours, the largest share first. label: the garment's category, or the suggestion's mood. */
export interface Palette {
  label: string;
  colors: Color[];
  summary: string;
}

/** An answer. answer: everything that the service said. */
export interface Advice {
  garments: Palette[];
  suggestions: Palette[];
  answer: AdviceAnswer;
}

/** What is asked: a photo, perhaps with a mask, or 1 to 12 colours; and any options of the API. */
export type Asked = Options & ({ photo: Blob; mask?: Blob; colors?: never } | { colors: ColorText[]; photo?: never; mask?: never });

export interface Settings {
  baseUrl?: string;
  /** How often a busy or unreachable service is asked. Requests are pure, so asking again is safe. */
  tries?: number;
  maxWaitMs?: number;
  /** A larger photo goes to the object store; the key then needs the scope `uploads`. */
  formLimitBytes?: number;
  fetch?: typeof fetch;
}

/** The service refused a request. */
export class Refused extends Error {
  readonly code: string;
  readonly status: number;
  readonly requestId: string;
  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail} (request ${problem.request_id})`);
    this.name = "Refused";
    this.code = problem.code;
    this.status = problem.status;
    this.requestId = problem.request_id;
  }
}

export class StyleSync {
  readonly #key: string;
  readonly #settings: Required<Settings>;

  constructor(key: string, settings: Settings = {}) {
    this.#key = key;
    this.#settings = {
      baseUrl: "http://127.0.0.1:8000",
      tries: 5,
      maxWaitMs: 60_000,
      formLimitBytes: 10 * 1024 * 1024,
      fetch: (input, init) => fetch(input, init),
      ...settings,
    };
  }

  /** Advice for a photo or for colours. Rejects with Refused. */
  async advise({ photo, mask, colors, ...options }: Asked): Promise<Advice> {
    if (photo === undefined) return this.#advice("/v1/colors/advice", json({ colors, options }));
    if (photo.size > this.#settings.formLimitBytes && !mask) {
      return this.#advice("/v1/advice", json({ object_key: await this.upload(photo), options }));
    }
    const form = new FormData();
    form.append("image", photo);
    if (mask) form.append("mask", mask);
    form.append("options", JSON.stringify(options));
    return this.#advice("/v1/advice", { method: "POST", body: form });
  }

  /** Uploads a photo of at most 50 MiB to the object store; resolves to its object key. */
  async upload(photo: Blob): Promise<string> {
    const wish = { content_type: photo.type || "image/jpeg", content_length: photo.size };
    const terms: Schemas["Presigned"] = await (await this.#ask("/v1/uploads/presign", json(wish))).json();
    const form = new FormData();
    for (const [name, value] of Object.entries(terms.fields ?? {})) form.append(name, value);
    form.append("file", photo);
    const sent = await this.#settings.fetch(terms.url, { method: "POST", body: form });
    if (!sent.ok) throw new Error(`The object store refused the upload with ${sent.status}.`);
    return terms.object_key;
  }

  /** A palette as a file. */
  async palette(colors: string[], format: PaletteFormat = "json"): Promise<Blob> {
    const query = new URLSearchParams({ colors: colors.join(","), format });
    return (await this.#ask(`/v1/palette?${query}`, {})).blob();
  }

  async #advice(path: string, init: RequestInit): Promise<Advice> {
    const answer: AdviceAnswer = await (await this.#ask(path, init)).json();
    const garments = answer.garments.map((one) => ({
      label: one.category,
      summary: "",
      colors: one.colors.map(({ hex, given, names, share, role }) => ({ hex, name: given ?? names.fashion.name, share, role })),
    }));
    const suggestions = answer.suggestions.map((one) => ({ label: one.mood, summary: one.summary, colors: one.colors }));
    return { garments, suggestions, answer };
  }

  /** The answer of the first try that is neither busy nor lost. */
  async #ask(path: string, init: RequestInit): Promise<Response> {
    const { baseUrl, tries, maxWaitMs, fetch } = this.#settings;
    const headers = { ...init.headers, "X-API-Key": this.#key };
    for (let left = tries - 1; ; left--) {
      let wait = 250 * 2 ** (tries - left);
      try {
        const response = await fetch(baseUrl + path, { ...init, headers });
        if (response.ok) return response;
        if (![429, 503].includes(response.status) || left <= 0) throw await refusal(response);
        wait = 1000 * Number(response.headers.get("Retry-After") ?? 1);
      } catch (error) {
        if (!(error instanceof TypeError) || left <= 0) throw error;
      }
      await new Promise((resume) => setTimeout(resume, Math.min(maxWaitMs, wait)));
    }
  }
}

function json(body: object): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

async function refusal(response: Response): Promise<Error> {
  const isProblem = response.headers.get("Content-Type") === "application/problem+json";
  return isProblem ? new Refused(await response.json()) : new Error(`The service answered ${response.status}.`);
}
