// What is attached to the message being written: chosen, pasted or dropped, shown small, and taken off again.

import { ACCEPTED, blockOf, roomBeside, Unfit } from "../attachments.js";
import { toast } from "./dialog.js";
import { h, icon, iconButton } from "./element.js";

export class AttachmentTray {
  node = h("ul", { class: "tray", "aria-label": "Attached", hidden: true });
  button;
  /** The most bytes that the service takes as one message. */
  limit = 262_144;
  #blocks = [];
  #picker;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    const chosen = () => this.add([...this.#picker.files]);
    this.#picker = h("input", { type: "file", accept: ACCEPTED, multiple: true, hidden: true, "aria-label": "Files to attach", onchange: chosen });
    this.button = h("span", {}, iconButton("clip", "Attach pictures or documents", () => this.#picker.click()), this.#picker);
  }

  get isEmpty() {
    return this.#blocks.length === 0;
  }

  /** Takes files that are pasted into `box` or dropped anywhere: a browser would open a dropped file instead of the page. */
  listen(box) {
    box.addEventListener("paste", (event) => this.#caught(event, event.clipboardData));
    addEventListener("drop", (event) => this.#caught(event, event.dataTransfer));
    addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
  }

  async add(files) {
    this.#picker.value = "";
    for (const file of files) {
      try {
        this.#set([...this.#blocks, await blockOf(file, roomBeside(this.#blocks, this.limit))]);
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        toast(error.message);
      }
    }
  }

  /** Shows these instead. */
  put(blocks) {
    this.#set(blocks);
  }

  /** Returns what is attached, and empties the tray. */
  take() {
    const blocks = this.#blocks;
    this.#set([]);
    return blocks;
  }

  #caught(event, transfer) {
    const files = [...transfer.files];
    if (files.length === 0) return;
    event.preventDefault();
    if (this.node.isConnected) this.add(files);
  }

  #set(blocks) {
    this.#blocks = blocks;
    this.node.hidden = blocks.length === 0;
    this.node.replaceChildren(...blocks.map((block) => this.#item(block)));
    this.#onChange();
  }

  #item(block) {
    const { source, title } = block;
    const isPicture = block.type === "image";
    const name = isPicture ? "picture" : title;
    const shown = isPicture
      ? h("img", { src: `data:${source.media_type};base64,${source.data}`, alt: "Attached picture" })
      : h("span", { class: "document" }, icon("file"), h("span", {}, title));
    const off = () => this.#set(this.#blocks.filter((other) => other !== block));
    return h("li", {}, shown, iconButton("close", `Remove ${name}`, off, { class: "icon-button remove" }));
  }
}
