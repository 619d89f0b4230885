// Makes photos ready: upright, at most 2,048 px on the longer side, with a preview that the browser can draw.

// Taste: the service analyses about 512 px, so more only takes longer to send.
const LONGEST_PX = 2048;

// The photo to send and the address of its preview; "" when this browser cannot draw the format.
export async function prepared(file, name = file.name ?? "photo") {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return { photo: file, preview: "", name };
  }
  const scale = LONGEST_PX / Math.max(bitmap.width, bitmap.height);
  const photo = scale < 1 ? await smaller(bitmap, scale, file) : file;
  bitmap.close();
  return { photo, preview: URL.createObjectURL(photo), name };
}

async function smaller(bitmap, scale, file) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  // Transparent pixels are background, so a format with transparency stays one.
  const kind = /png|webp|avif/.test(file.type) ? "image/webp" : "image/jpeg";
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, kind, 0.92));
  return blob && blob.size < file.size ? blob : blob ?? file;
}

// The photos of a drop or a paste, those in folders too.
export async function photosOf(transfer) {
  const entries = [...(transfer.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files].filter(isPhoto);
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found.filter(isPhoto);
}

async function collect(entry, found) {
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else {
    const reader = entry.createReader();
    for (let more = ["first"]; more.length; ) {
      more = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      for (const child of more) await collect(child, found);
    }
  }
}

function isPhoto(file) {
  return file.type.startsWith("image/") || /\.(jpe?g|png|webp|avif|hei[cf])$/i.test(file.name);
}
