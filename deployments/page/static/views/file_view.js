// One file: looked at, changed, saved over the version that was read, and what happens when the file has changed meanwhile.

import * as api from "../api.js";
import { contentOf } from "../files.js";
import { conflictView } from "./conflict.js";
import { confirm } from "./dialog.js";
import { copyButton, h, icon, iconButton } from "./element.js";
import { button, complain, errorLine } from "./form_parts.js";
import { showHtml } from "./prose.js";

/** Longer Markdown is shown as it was written. */
const MOST_RENDERED = 65_536;
/** Parts of a path that name no file; a browser would resolve them in an address. */
const NO_NAME = /(^|\/)\.{0,2}(\/|$)/;

export class FileView {
  node = h("div", { class: "file-view" });
  path;
  files;
  #actions;
  #version = null;
  #text = "";
  #area = null;
  #name = null;
  #error = errorLine();
  #notice = h("p", { class: "file-notice", role: "status", hidden: true });

  /** `actions`: `back` to the list, `close` of the panel, `gone` when there is nothing left to show, and `mayWrite()`. */
  constructor(files, path, actions) {
    this.files = files;
    this.path = path;
    this.#actions = actions;
    this.node.addEventListener("keydown", (event) => this.#keyed(event));
    if (path === null) this.#edit("");
    else this.#load();
  }

  get isDirty() {
    return this.#area !== null && this.#area.value !== this.#text;
  }

  focus() {
    this.node.querySelector("input, textarea, button")?.focus();
  }

  /** The list has news; `item` is this file's entry, null if it is gone. */
  changed(item) {
    if (this.path === null || item?.version === this.#version) return;
    if (this.#area === null) {
      if (item) this.#load();
      else this.#tell("This file was deleted.");
    } else if (item) this.#tell("This file was changed meanwhile. Saving will show both.");
    else this.#tell("This file was deleted meanwhile. Saving creates it anew.");
  }

  async #load() {
    try {
      const { bytes, version } = await api.readFile(this.files.id, this.path);
      this.#version = version;
      this.#show(contentOf(this.path, bytes));
    } catch (error) {
      const words = error.code === "unknown_file" ? "This file is not there any more." : `Not read: ${error.message}`;
      this.node.replaceChildren(this.#head(), h("p", { class: "form-error panel-empty" }, words));
    }
  }

  // -- looking

  #show({ picture, text }) {
    this.#area = null;
    this.#text = text ?? "";
    this.#tell("");
    const mayWrite = this.#actions.mayWrite();
    const head = this.#head(
      text !== null && copyButton("Copy this file", () => text),
      mayWrite && text !== null && iconButton("pencil", "Edit", () => this.#edit(text)),
      h("a", { class: "icon-button", href: this.#address, download: this.path.split("/").at(-1), "aria-label": "Download", title: "Download" }, icon("down")),
      mayWrite && iconButton("trash", "Delete file", () => this.#remove()),
    );
    const content = body(this.path, picture, text);
    this.node.replaceChildren(head, this.#notice, content);
    if (text !== null && /\.(md|markdown)$/i.test(this.path) && text.length < MOST_RENDERED) this.#render(content);
  }

  /** Puts the rendered Markdown in the place of its source, once it is there. */
  async #render(source) {
    const { html } = await api.renderedFile(this.files.id, this.path).catch(() => ({ html: null }));
    if (html === null || !source.isConnected) return;
    const rendered = h("div", { class: "file-body prose", tabindex: "0", role: "region", "aria-label": "Content" });
    showHtml(rendered, html);
    source.replaceWith(rendered);
  }

  async #remove() {
    const text = `${this.path} will be gone for everybody who shares it.`;
    if (!(await confirm({ title: "Delete this file?", text, action: "Delete" }))) return;
    try {
      await api.removeFile(this.files.id, this.path, this.#version);
      this.#actions.gone();
    } catch (error) {
      if (error.code === "unknown_file") return this.#actions.gone();
      await this.#load();
      this.#tell(error.code === "file_conflict" ? "Not deleted: the file has just been changed." : `Not deleted: ${error.message}`);
    }
  }

  // -- changing

  #edit(text, base = this.#text) {
    this.#text = base;
    this.#area = h("textarea", { class: "file-text", spellcheck: "false", "aria-label": "Content" });
    this.#area.value = text;
    const isNew = this.path === null;
    this.#name = isNew ? h("input", { type: "text", "aria-label": "Path", placeholder: "notes/plan.md", spellcheck: "false" }) : null;
    const cancel = button("Cancel", "", () => (isNew ? this.#actions.back() : this.#cancel()));
    const actions = h("div", { class: "actions" }, button("Save", "primary", () => this.#save()), cancel);
    complain(this.#error, "");
    this.node.replaceChildren(...[this.#head(), this.#notice, this.#name, this.#area, this.#error, actions].filter(Boolean));
    this.focus();
  }

  async #cancel() {
    this.#area = null;
    await this.#load();
    this.focus();
  }

  async #save(version = this.#version) {
    const path = this.path ?? this.#name.value.trim();
    if (!path) return complain(this.#error, "Give the file a name.");
    if (NO_NAME.test(path)) return complain(this.#error, "No file can be called that.");
    const text = this.#area.value;
    complain(this.#error, "");
    try {
      const written = await api.writeFile(this.files.id, path, text, version);
      this.path = written.path;
      this.#version = written.version;
      this.files.refresh();
      this.#show({ picture: null, text });
      this.#tell("Saved.");
      this.focus();
    } catch (error) {
      await this.#refused(error, text);
    }
  }

  async #refused(error, mine) {
    if (error.code === "file_conflict" || error.code === "unknown_file") return this.#settle(mine);
    const words = { file_exists: "There is a file of this name already.", bad_path: `No file can be called that: ${error.message}` };
    complain(this.#error, words[error.code] ?? `Not saved: ${error.message}`);
  }

  /** Shows what the person wrote beside the present version. */
  async #settle(mine) {
    const theirs = await api.readFile(this.files.id, this.path).catch(() => null);
    this.#version = theirs?.version ?? null;
    const text = theirs && contentOf(this.path, theirs.bytes).text;
    const view = conflictView({
      mine,
      theirs: text,
      keepMine: () => this.#save(this.#version),
      takeTheirs: () => (theirs ? this.#show(contentOf(this.path, theirs.bytes)) : this.#actions.gone()),
      goOn: () => this.#edit(mine, text ?? ""),
    });
    this.node.replaceChildren(this.#head(), this.#error, view);
    view.querySelector("button").focus();
  }

  // -- parts

  #head(...tools) {
    const back = iconButton("back", "All files", () => this.#actions.back());
    const title = h("h2", { class: "file-title", title: this.path }, this.path ?? "New file");
    const close = iconButton("close", "Close the files", () => this.#actions.close());
    return h("header", { class: "panel-head" }, back, title, h("span", { class: "spacer" }), tools, close);
  }

  get #address() {
    return api.fileAddress(this.files.id, this.path);
  }

  #tell(words) {
    this.#notice.textContent = words;
    this.#notice.hidden = !words;
  }

  #keyed(event) {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey) || this.#area === null) return;
    event.preventDefault();
    this.#save();
  }
}

function body(path, picture, text) {
  if (picture) return h("div", { class: "file-body picture-file" }, h("img", { src: picture, alt: path }));
  if (text === null) return h("p", { class: "quiet panel-empty" }, "This file is not text. Download it to look at it.");
  return h("pre", { class: "file-body", tabindex: "0", "aria-label": "Content" }, text);
}
