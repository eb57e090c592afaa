// What a template makes of a row, as the service does it: a preview before anything is sent.

const FIELD = /\{\{\s*([^{}]*?)\s*\}\}/g;

/** The message of `row`; throws an Error that says which field it has not. Without a template it is the field `message`. */
export function messageOf(template, row) {
  const words = template ? template.replaceAll(FIELD, (_, path) => textOf(valueAt(row, path))) : row.message;
  if (typeof words !== "string") throw new Error("It has no text `message`, and there is no template.");
  if (!words.trim()) throw new Error("Its message is empty.");
  return words;
}

function valueAt(row, path) {
  if (Object.hasOwn(row, path)) return row[path]; // names of columns may have dots
  let found = row;
  for (const name of path.split(".")) {
    const isThere = Array.isArray(found) ? /^\d+$/.test(name) && Number(name) < found.length : found instanceof Object && Object.hasOwn(found, name);
    if (!isThere) throw new Error(`It has no field ${path}.`);
    found = found[name];
  }
  return found;
}

const textOf = (value) => (value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));
