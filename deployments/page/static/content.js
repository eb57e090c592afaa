// What content blocks hold: text, thoughts, pictures, documents, and the sources of the text.

const MAX_TITLE_LENGTH = 60;
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** The text (`type` text) or thoughts (`thinking`) of a content; a sentence that is cut into blocks is joined. */
export function wordsOf(content, type) {
  if (typeof content === "string") return type === "text" ? content : "";
  let words = "";
  let before = null;
  for (const block of content) {
    if (block.type === type) {
      const isOneSentence = before?.type === type && (before.citations || block.citations);
      words += (words && !isOneSentence ? "\n\n" : "") + (block[type] ?? "");
    }
    before = block;
  }
  return words;
}

/** Pictures as `{address, label}`: only those inside the content; to load one from elsewhere would tell that site. */
export function picturesIn(content) {
  const held = blocks(content, "image").filter(({ source }) => source?.type === "base64" && PICTURES.has(source.media_type));
  return held.map(({ source }, index) => ({ address: dataOf(source), label: `Picture ${index + 1}` }));
}

/** Documents as `{address, name}`; the address is null for a linked one. */
export function documentsIn(content) {
  return blocks(content, "document").map(({ source, title }) => ({
    address: source?.type === "base64" ? dataOf(source) : null,
    name: title || "Document",
  }));
}

/** What the provider itself looked up for an answer: `{calls: [{name, brief}], sources: [{address, title, host}]}`. */
export function researchIn(content) {
  if (typeof content === "string") return NO_RESEARCH;
  const calls = blocks(content, "server_tool_use").map(({ name, input }) => ({ name, brief: briefOf(input) }));
  const cited = blocks(content, "text").flatMap((block) => block.citations ?? []);
  const found = content.filter((block) => /_tool_result$/.test(block.type) && Array.isArray(block.content));
  const sources = new Map();
  for (const entry of [...cited, ...found.flatMap((block) => block.content)]) {
    const source = sourceOf(entry);
    if (source && !sources.has(source.address)) sources.set(source.address, source);
  }
  return calls.length || sources.size ? { calls, sources: [...sources.values()] } : NO_RESEARCH;
}

const NO_RESEARCH = Object.freeze({ calls: [], sources: [] });

/** A source that a browser may open; other kinds of addresses are left out. */
function sourceOf({ url, title }) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return null;
  const { href, host } = new URL(url);
  return { address: href, title: title || host, host: host.replace(/^www\./, "") };
}

/** The content of a tool's result as one text, without pictures and documents; other blocks are named by their type. */
export function resultText(content) {
  if (typeof content === "string") return content;
  const shown = content.filter((block) => block.type !== "image" && block.type !== "document");
  return shown.map((block) => (block.type === "text" ? block.text : `[${block.type}]`)).join("\n");
}

const blocks = (content, type) => (typeof content === "string" ? [] : content.filter((block) => block.type === type));
const dataOf = ({ media_type, data }) => `data:${media_type};base64,${data}`;

function briefOf(input) {
  const values = Object.values(input ?? {}).map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  return values.join(", ");
}

/** A title for a conversation that begins with a message, `{text, blocks}`. */
export function titleOf({ text, blocks: attached = [] }) {
  const line = text.split("\n", 1)[0] || attached.find((block) => block.title)?.title || "A picture";
  return line.length <= MAX_TITLE_LENGTH ? line : `${line.slice(0, MAX_TITLE_LENGTH - 1).trimEnd()}…`;
}
