// The files of the open conversation beside it: a list, and the file that was chosen from it.

import { h, icon, iconButton } from "./element.js";
import { FileView } from "./file_view.js";
import { confirm } from "./dialog.js";
import { distanceTo, sizeOf } from "./words.js";

const covering = matchMedia("(max-width: 47.99rem)");

export class FilesPanel {
  #node;
  #main;
  #mayWrite;
  #files = null;
  #shownItems = null;
  #view = null;

  /** `mayWrite()` tells whether the person may change the files that are shown. */
  constructor(node, mayWrite) {
    this.#node = node;
    this.#mayWrite = mayWrite;
    this.#main = document.getElementById("main");
    node.addEventListener("keydown", (event) => this.#keyed(event));
    addEventListener("beforeunload", (event) => this.#view?.isDirty && event.preventDefault());
  }

  get isOpen() {
    return !this.#node.hidden;
  }

  async toggle() {
    if (this.isOpen) return this.close();
    this.#set(true);
    this.#files?.refresh();
    this.#showList();
    this.#node.querySelector("button").focus();
  }

  /** Closes, unless the person wants to keep unsaved changes. */
  async close() {
    if (!this.isOpen || !(await this.#mayLeave())) return;
    this.#view = null;
    this.#set(false);
    // The button that opened it is made anew whenever the number of files changes.
    (this.#main.querySelector(".with-count") ?? this.#main.querySelector("textarea"))?.focus();
  }

  /** Shows the files of a conversation, `Files` or null; called whenever they may have changed. */
  render(files) {
    const isOther = files !== this.#files;
    this.#files = files;
    // A file that is being edited stays open when another conversation is opened.
    if (!this.isOpen || (isOther && this.#view?.isDirty)) return;
    if (isOther) this.#turnTo(files);
    else if (files && files.items !== this.#shownItems) this.#refresh(files);
  }

  #turnTo(files) {
    this.#view = null;
    if (files) this.#showList();
    else this.#set(false);
  }

  #refresh(files) {
    this.#shownItems = files.items;
    if (!this.#view) this.#showList();
    else if (this.#view.files === files) this.#view.changed(files.find(this.#view.path));
  }

  #set(isOpen) {
    this.#node.hidden = !isOpen;
    // Where the panel covers the conversation, the keyboard must not reach what is behind it.
    this.#main.inert = isOpen && covering.matches;
  }

  async #mayLeave() {
    if (!this.#view?.isDirty) return true;
    const text = `What you changed in ${this.#view.path} is not saved.`;
    return confirm({ title: "Leave without saving?", text, action: "Leave" });
  }

  #showList() {
    this.#view = null;
    const { items } = this.#files ?? { items: [] };
    this.#shownItems = items;
    const close = iconButton("close", "Close the files", () => this.close());
    const create = this.#mayWrite() && iconButton("plus", "New file", () => this.#open(null));
    const head = h("header", { class: "panel-head" }, h("h2", {}, "Files"), h("span", { class: "spacer" }), create, close);
    const focused = this.#node.contains(document.activeElement) ? document.activeElement : null;
    this.#node.replaceChildren(head, items.length ? this.#list(items) : h("p", { class: "quiet panel-empty" }, "No files yet."));
    if (focused) this.#focus(focused);
  }

  /** Moves the focus from `old` to what replaces it: a button of the same name, or of the same file. */
  #focus({ dataset, ariaLabel }) {
    const isSame = (other) => (dataset.path ? other.dataset.path === dataset.path : other.ariaLabel === ariaLabel);
    const buttons = [...this.#node.querySelectorAll("button")];
    (buttons.find(isSame) ?? buttons[0]).focus();
  }

  #list(items) {
    return h("ul", { class: "file-list" }, items.map((item) => h("li", {}, this.#entry(item))));
  }

  #entry({ path, size, updated_at }) {
    const slash = path.lastIndexOf("/") + 1;
    const words = h("span", { class: "file-path" }, h("span", { class: "folder" }, path.slice(0, slash)), path.slice(slash));
    const about = h("span", { class: "quiet" }, `${sizeOf(size)} · ${distanceTo(updated_at)}`);
    const attributes = { type: "button", class: "file-entry", "data-path": path, onclick: () => this.#open(path) };
    return h("button", attributes, icon("file"), h("span", { class: "file-words" }, words, about));
  }

  /** Opens a file; null: one that does not exist yet. */
  #open(path) {
    const back = async () => (await this.#mayLeave()) && this.#back();
    const actions = { back, close: () => this.close(), gone: () => this.#back(), mayWrite: this.#mayWrite };
    this.#view = new FileView(this.#files, path, actions);
    this.#node.replaceChildren(this.#view.node);
    this.#view.focus();
  }

  #back() {
    const path = this.#view?.path;
    this.#view = null;
    if (!this.#files) return this.close();
    this.#files.refresh();
    this.#showList();
    const entry = path && this.#node.querySelector(`[data-path="${CSS.escape(path)}"]`);
    (entry ?? this.#node.querySelector("button")).focus();
  }

  #keyed(event) {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    this.close();
  }
}
