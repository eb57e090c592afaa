// Files that go with a message, as content blocks small enough to be accepted.

const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);
const PDF = "application/pdf";
/** What the file picker offers. */
export const ACCEPTED = [...PICTURES, PDF].join(",");
/** Longest edges that are tried, in pixels: models see no more than the first. */
const EDGES = [1568, 1120, 800, 560];
const QUALITY = 0.82;
/** Bytes that a message keeps for everything that is not attached. */
const RESERVE = 16_384;

/** Attaching failed for a reason that the person can do something about; `message` says it. */
export class Unfit extends Error {}

/** How many characters of base64 still fit into a message of `limit` bytes beside `blocks`. */
export function roomBeside(blocks, limit) {
  return limit - RESERVE - blocks.reduce((sum, block) => sum + block.source.data.length, 0);
}

/** The content block of `file` in at most `room` characters of base64; raises `Unfit`. */
export async function blockOf(file, room) {
  if (PICTURES.has(file.type)) return pictureBlock(file, room);
  if (file.type === PDF) return documentBlock(file, room);
  throw new Unfit(`${file.name} is neither a picture nor a PDF.`);
}

/** Whether the file is text: by what is in it, since a browser does not know the types of most text files. */
export async function isText(file) {
  if (PICTURES.has(file.type) || file.type === PDF) return false;
  try {
    return !new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()).includes("\0");
  } catch {
    return false;
  }
}

async function pictureBlock(file, room) {
  const whole = await base64Of(file);
  if (whole.length <= room) return picture(file.type, whole);
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) throw new Unfit(`${file.name} cannot be read as a picture.`);
  for (const edge of EDGES) {
    const data = await base64Of(await redrawn(bitmap, edge));
    if (data.length <= room) return picture("image/jpeg", data);
  }
  throw tooLarge(file, room);
}

async function documentBlock(file, room) {
  const data = await base64Of(file);
  if (data.length > room) throw tooLarge(file, room);
  return { type: "document", title: file.name, source: { type: "base64", media_type: PDF, data } };
}

const picture = (media_type, data) => ({ type: "image", source: { type: "base64", media_type, data } });

function redrawn(bitmap, edge) {
  const scale = Math.min(1, edge / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

function base64Of(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Unfit("The file cannot be read."));
    reader.readAsDataURL(blob);
  });
}

function tooLarge(file, room) {
  const kilobytes = Math.max(0, Math.floor((room * 3) / 4 / 1024));
  return new Unfit(`${file.name} is too large: there is room for ${kilobytes} KB in this message.`);
}
