// The first rows of a file that a person has chosen, read in the browser: which columns it has, before it is sent.

/** So much of a file is looked at, in bytes. */
const HEAD = 65_536;
const MAX_ROWS = 5;

/**
 * The first rows of `file` (JSON Lines, plain or in gzip) as `{rows, columns, isWhole}`, `isWhole` if that is all it has.
 * Null for a file of another kind, which only the service can read.
 */
export async function firstRows(file) {
  const head = file.slice(0, HEAD);
  const magic = new Uint8Array(await head.slice(0, 4).arrayBuffer());
  const isGzip = magic[0] === 0x1f && magic[1] === 0x8b;
  if (!isGzip && !isText(magic)) return null;
  const bytes = isGzip ? await inflated(head) : new Uint8Array(await head.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  const isWhole = file.size <= HEAD && bytes.length < HEAD;
  const lines = text.split(/\r?\n/);
  if (!isWhole) lines.pop(); // it may be cut
  const written = lines.filter((line) => line.trim());
  const rows = written.slice(0, MAX_ROWS).map(parsed);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row ?? {})))];
  return { rows, columns, isWhole: isWhole && written.length <= MAX_ROWS };
}

/** A row as an object, null for a line that is none. */
function parsed(line) {
  try {
    const row = JSON.parse(line);
    return typeof row === "object" && row !== null && !Array.isArray(row) ? row : null;
  } catch {
    return null;
  }
}

/** JSON Lines begin with a brace, after white space or a byte order mark. */
const isText = (magic) => /^[\s\ufeff]*(\{|$)/.test(new TextDecoder("utf-8", { ignoreBOM: true }).decode(magic).slice(0, 2));

async function inflated(head) {
  const reader = head.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const chunks = [];
  let size = 0;
  try {
    while (size < HEAD) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
    }
  } catch {
    // The head is cut, so its end cannot be read.
  }
  reader.cancel().catch(() => undefined);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
