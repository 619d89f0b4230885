// What went wrong, in words that say what to do next.

export class Trouble extends Error {
  // title, text: for people. waitS: seconds until another try makes sense. fields: what is wrong with which field.
  constructor(title, text, { retry = true, waitS = 0, code = "", requestId = "", status = 0, fields = [] } = {}) {
    super(title);
    Object.assign(this, { title, text, retry, waitS, code, requestId, status, fields });
  }
}

const BY_CODE = {
  UNAUTHENTICATED: ["The page needs a valid API key", "Give a key once, and the page sends it with each request.", false],
  FORBIDDEN: ["This key may not do that", "The key lacks the scope for this request. Use another key, or ask its owner to widen it.", false],
  TOO_LARGE: ["This photo is too large", "Save it smaller (about 2,000 pixels on its longer side) and try again.", false],
  UNSUPPORTED_MEDIA_TYPE: ["This file is not a photo we can read", "Use JPEG, PNG, WebP or AVIF. Most phones and viewers can export one of these.", false],
  IMAGE_UNDECODABLE: ["This photo cannot be opened", "The file seems damaged. Open it in a viewer, save it as JPEG, and try that.", false],
  IMAGE_TRUNCATED: ["Part of this photo is missing", "The file ends too early. Download or copy it again.", false],
  IMAGE_ANIMATED: ["This is an animation", "Choose a still photo, or save one frame of it.", false],
  IMAGE_BOMB: ["This file unpacks to far too many pixels", "Save the photo again as a plain JPEG.", false],
  IMAGE_TOO_SMALL: ["This photo is too small", "Use one with at least 8 pixels on each side; 400 or more work well.", false],
  IMAGE_ASPECT: ["This photo is too long and thin", "Crop it around the clothes and try again.", false],
  IMAGE_TOO_COMPLEX: ["This photo takes too much work to open", "Save it again as a plain JPEG and try that.", false],
  NOT_FOUND: ["This is not there", "The server does not know this address. The page may be older than the server: reload it.", true],
  SLOW_BODY: ["The upload was too slow", "The connection gave up half way. Try again, perhaps with a smaller photo.", true],
  RATE_LIMITED: ["Too many requests with this key", "The limit is per minute. It is free again in a moment.", true],
  OVERLOADED: ["The server is busy", "It takes no more requests right now. Nothing is lost: try again in a moment.", true],
  NOT_READY: ["The server is still starting", "It answers as soon as its parts are ready, mostly within half a minute.", true],
  INTERNAL: ["Something went wrong on the server", "It is not your photo's fault. Try again; if it stays, report the request id.", true],
};

const BY_STATUS = {
  404: ["Nothing answers at this address", "A server in between does not know the way to the service.", true],
  413: BY_CODE.TOO_LARGE,
  429: BY_CODE.RATE_LIMITED,
  502: ["The server does not answer", "A server in between cannot reach it. It may be restarting.", true],
  503: BY_CODE.OVERLOADED,
  504: ["The answer took too long", "A server in between gave up waiting. Try again.", true],
};

// The trouble behind a response that is not 2xx. body: its text, which need not be JSON.
export function troubleOf(response, body) {
  const problem = parsed(body);
  const status = response.status;
  const waitS = Math.min(3600, Number(response.headers.get("Retry-After")) || 0);
  const about = { status, waitS, code: problem?.code ?? `HTTP ${status}`, requestId: problem?.request_id ?? response.headers.get("X-Request-ID") ?? "" };
  if (problem?.code === "INVALID_OPTIONS") {
    const fields = (problem.errors ?? []).map((field) => field.message);
    return new Trouble("One thing to correct", fields.length ? "" : problem.detail, { ...about, retry: false, fields });
  }
  const known = BY_CODE[problem?.code] ?? BY_STATUS[status];
  if (known) return new Trouble(known[0], detailOf(problem, known[1]), { ...about, retry: known[2] });
  if (problem) return new Trouble(problem.title, problem.detail, { ...about, retry: status >= 500 });
  return new Trouble("The server answered in a way the page does not know", `Its status is ${status}.`, about);
}

// The server's own sentence has the actual and the allowed size; ours has the way out.
function detailOf(problem, text) {
  return problem?.code === "TOO_LARGE" && /\d/.test(problem.detail) && !/bytes/.test(problem.detail) ? `${problem.detail} ${text}` : text;
}

function parsed(body) {
  try {
    const value = JSON.parse(body);
    return value && typeof value === "object" && value.title ? value : null;
  } catch {
    return null;
  }
}

export function unreachable() {
  return navigator.onLine === false
    ? new Trouble("You are offline", "The page goes on as soon as there is a connection.", { code: "OFFLINE" })
    : new Trouble("The server cannot be reached", "It may have stopped, or the network is in the way. If you run it yourself, look whether `make serve` still runs.", { code: "UNREACHABLE" });
}

export const DEGRADED = {
  segmentation: "Finding the garments took too long, so everything that stands out from the background counts as one garment.",
  extraction: "Reading the colours took too long, so they are coarser than usual.",
  harmony: "Making suggestions took too long, so only plain ones are here.",
};
