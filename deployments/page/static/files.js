// The files of an open conversation: listed, and listed anew when one has changed.

import * as api from "./api.js";

const HURRY = 200;

export class Files {
  items = [];
  isLoaded = false;
  id;
  #onChange;
  #soon = null;

  constructor(conversationId, onChange) {
    this.id = conversationId;
    this.#onChange = onChange;
  }

  /** Asks the service; a failure leaves what is shown. */
  async refresh() {
    try {
      const { files } = await api.files(this.id);
      this.items = files.toSorted((a, b) => a.path.localeCompare(b.path));
      this.isLoaded = true;
      this.#onChange();
    } catch (error) {
      // They are fetched again at the next change or when the panel opens; a conversation that is gone has no files.
      if (api.isFinal(error)) this.items = [];
    }
  }

  /** Refreshes once for a burst of changes. */
  refreshSoon() {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.refresh();
    }, HURRY);
  }

  find(path) {
    return this.items.find((item) => item.path === path) ?? null;
  }
}

const PICTURE = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp" };

/** What a file is to the page: `{picture}` (an address), `{text}`, or neither for other bytes. */
export function contentOf(path, bytes) {
  const type = PICTURE[path.split(".").at(-1).toLowerCase()];
  if (type) return { picture: `data:${type};base64,${base64(bytes)}`, text: null };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { picture: null, text: text.includes("\0") ? null : text };
  } catch {
    return { picture: null, text: null };
  }
}

function base64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
