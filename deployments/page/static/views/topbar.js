// The head of the open conversation: its title, which can be changed in place, its agent, and its end.

import { h, iconButton } from "./element.js";

export class Topbar {
  #node;
  #actions;
  #shown = null;

  /** `actions`: `openDrawer`, `rename(title)`, `remove`. */
  constructor(node, actions) {
    this.#node = node;
    this.#actions = actions;
  }

  /** Shows `meta` (`{title, agent}`), or the head of a conversation that does not exist yet. */
  render(meta) {
    const shown = meta ? `${meta.title}\n${meta.agent}` : "";
    if (shown === this.#shown) return;
    this.#shown = shown;
    document.title = meta?.title ? `${meta.title} · Raylogue` : "Raylogue";
    const menu = iconButton("menu", "Conversations", this.#actions.openDrawer, { class: "icon-button drawer-button" });
    this.#node.replaceChildren(menu, ...(meta ? this.#conversation(meta) : [h("h1", { class: "heading" }, "New conversation")]));
  }

  #conversation(meta) {
    const title = h("h1", { class: "heading" }, meta.title || "Untitled");
    const rename = iconButton("pencil", "Rename", () => this.#edit(title, meta.title ?? ""));
    const remove = iconButton("trash", "Delete", this.#actions.remove);
    return [title, rename, h("span", { class: "spacer" }), h("span", { class: "agent" }, meta.agent), remove];
  }

  #edit(title, current) {
    const input = h("input", { class: "heading", "aria-label": "Title", maxlength: "200", onkeydown: keyed, onblur: () => finish(true) });
    let isOpen = true;
    const finish = (isKept) => {
      if (!isOpen) return;
      isOpen = false;
      const text = input.value.trim();
      input.replaceWith(title);
      if (!isKept || !text || text === current) return;
      title.textContent = text;
      this.#actions.rename(text);
    };
    input.value = current;
    title.replaceWith(input);
    input.select();

    function keyed(event) {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.stopPropagation();
      finish(event.key === "Enter");
    }
  }
}
