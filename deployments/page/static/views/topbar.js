// The head of the open conversation: its title, which can be changed in place, its agent, its files, and its end.

import { h, icon, iconButton } from "./element.js";
import { menu } from "./menu.js";
import { offlineMark } from "./welcome.js";

export class Topbar {
  #node;
  #actions;
  #shown = null;

  /** `actions`: `openDrawer`, `rename(title)`, `remove`, `archive(isArchived)`, `share`, `showFiles`, `exportAddress(format)`. */
  constructor(node, actions) {
    this.#node = node;
    this.#actions = actions;
  }

  /**
   * Shows `meta` (`{title, agent, offline, mayOwn, isShareable, isArchived, parentAddress, forkedFrom, files}`, where `files` is how many there are, null for an agent that
   * keeps none), or the head of a conversation that does not exist yet.
   */
  render(meta) {
    const shown = JSON.stringify(meta);
    if (shown === this.#shown) return;
    this.#shown = shown;
    document.title = meta?.title ? `${meta.title} · Raylogue` : "Raylogue";
    const menu = iconButton("menu", "Conversations", this.#actions.openDrawer, { class: "icon-button drawer-button" });
    const content = meta ? this.#conversation(meta) : [h("h1", { class: "heading" }, "New conversation")];
    this.#node.replaceChildren(menu, ...content.filter(Boolean));
  }

  /** Another view has the head now. */
  forget() {
    this.#shown = null;
  }

  #conversation(meta) {
    const title = h("h1", { class: "heading" }, meta.title || "Untitled");
    const isOwn = !meta.parentAddress && meta.mayOwn;
    const up = h("a", { class: "icon-button", href: meta.parentAddress, "aria-label": "Back to the conversation it works for", title: "Back" }, icon("back"));
    return [
      meta.parentAddress && up,
      title,
      isOwn && iconButton("pencil", "Rename", () => this.#edit(title, meta.title ?? "")),
      h("span", { class: "spacer" }),
      h("span", { class: "agent" }, meta.agent),
      meta.offline && offlineMark(),
      meta.files !== null && this.#filesButton(meta.files),
      meta.isShareable && !meta.parentAddress && iconButton("share", isOwn ? "Share" : "Members", this.#actions.share),
      menu("More", "more", this.#more(meta)),
      isOwn && iconButton("trash", "Delete", this.#actions.remove),
    ];
  }

  #more({ forkedFrom, mayOwn, isArchived, parentAddress }) {
    const file = (format) => ({ href: this.#actions.exportAddress(format), download: "" });
    const archive = { label: isArchived ? "Restore from the archive" : "Archive", act: () => this.#actions.archive(!isArchived) };
    const items = [
      mayOwn && !parentAddress && archive,
      forkedFrom && { label: "Go to where it was branched from", href: `#/c/${encodeURIComponent(forkedFrom)}` },
      { label: "Export as Markdown", ...file("markdown") },
      { label: "Export as JSON Lines", ...file("jsonl") },
    ];
    return items.filter(Boolean);
  }

  #filesButton(count) {
    const label = count ? `Files (${count})` : "Files";
    const attributes = { type: "button", class: "icon-button with-count", "aria-label": label, title: label, onclick: this.#actions.showFiles };
    return h("button", attributes, icon("folder"), count > 0 && h("span", { class: "count", "aria-hidden": "true" }, count));
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
