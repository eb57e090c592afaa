// The person's own API keys: listed, made (the text of one is shown once), revoked.

import * as api from "../api.js";
import { confirm } from "./dialog.js";
import { copyButton, h, icon } from "./element.js";
import { button, complain, errorLine } from "./form_parts.js";
import { distanceTo, instantOf } from "./words.js";

/** In the order in which they are told. */
const SCOPES = {
  read: "read",
  write: "send messages and change files",
  decide: "answer questions and approvals",
  admin: "act as an admin",
};
const DAY = 86_400;
const ENDS = [
  ["30 days", 30 * DAY],
  ["90 days", 90 * DAY],
  ["a year", 365 * DAY],
  ["no end", ""],
];

export class ApiKeys {
  node;
  #who;
  #list = h("ul", { class: "keys" });
  #made = h("div", { class: "new-key", role: "status", hidden: true });
  #error = errorLine();

  constructor(who) {
    this.#who = who;
    const heading = h("h3", { id: "keys-title" }, "API keys");
    this.node = h("section", { "aria-labelledby": "keys-title" }, heading, this.#list, this.#made, this.#form(), this.#error);
  }

  /** Asks for the list, and shows it. */
  refresh() {
    return this.#attempt(() => {});
  }

  /** Whether it worked; shows the keys as they are then, or what went wrong. */
  async #attempt(action) {
    try {
      await action();
      const { keys } = await api.apiKeys();
      const own = keys.filter(({ tenant, user }) => tenant === this.#who.tenant && user === this.#who.user);
      this.#list.replaceChildren(...own.toSorted((a, b) => b.created_at - a.created_at).map((key) => this.#row(key)));
      complain(this.#error, "");
      return true;
    } catch (error) {
      complain(this.#error, error.message);
      return false;
    }
  }

  #row(key) {
    const isPresent = key.id === this.#who.key_id;
    const name = h("span", { class: "key-name", dir: "auto" }, key.label || key.id, isPresent && h("span", { class: "chip" }, "in use here"));
    const words = [`rl_${key.id}…`, scopesOf(key), lastUseOf(key), endOf(key)].join(" · ");
    const revoke = { type: "button", class: "link", "aria-label": `Revoke ${key.label || key.id}`, onclick: () => this.#revoke(key, isPresent) };
    return h("li", { "data-key": key.id }, h("div", {}, name, h("p", { class: "quiet" }, words)), h("button", revoke, "Revoke"));
  }

  async #revoke(key, isPresent) {
    const text = isPresent ? "You have signed in with this key: you will be signed out." : "Programs that use it will be refused.";
    if (!(await confirm({ title: `Revoke ${key.label || key.id}?`, text, action: "Revoke" }))) return;
    await this.#attempt(() => api.revokeApiKey(key.id));
  }

  #form() {
    const label = h("input", { id: "key-label", required: true, maxlength: "100", autocomplete: "off", placeholder: "laptop" });
    const end = h("select", { id: "key-end" }, ENDS.map(([words, seconds]) => h("option", { value: seconds }, words)));
    const allowed = inOrder(this.#who.scopes).filter((scope) => scope !== "admin" || this.#who.roles.some((role) => role !== "user"));
    const scopes = allowed.map((scope) => ({ scope, input: h("input", { type: "checkbox", checked: scope !== "admin" }) }));
    const boxes = scopes.map(({ scope, input }) => h("label", { class: "scope" }, input, SCOPES[scope]));
    const form = h(
      "form",
      { class: "key-form", "aria-label": "New API key" },
      h("label", { for: "key-label" }, "New key for"),
      label,
      h("label", { for: "key-end" }, "It ends after"),
      end,
      h("fieldset", {}, h("legend", {}, "It may be used to"), boxes),
      h("div", { class: "actions" }, h("button", { class: "button" }, "Make a key")),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const chosen = scopes.filter(({ input }) => input.checked).map(({ scope }) => scope);
      if (chosen.length === 0) return complain(this.#error, "A key that may be used for nothing is of no use.");
      const fields = { label: label.value.trim(), scopes: chosen, ...(end.value && { seconds: Number(end.value) }) };
      if (await this.#attempt(async () => this.#show(await api.makeApiKey(fields)))) form.reset();
    });
    return form;
  }

  /** Shows the text of a new key until another one is made, or the person has seen enough of it. */
  #show({ key, label }) {
    const text = h("output", { class: "key-text" }, key);
    const done = button("Done", "", () => {
      this.#made.replaceChildren();
      this.#made.hidden = true;
    });
    const note = h("p", {}, icon("alert"), `This is the key ${label}. It is shown only now: copy it to where you keep secrets.`);
    this.#made.replaceChildren(note, h("div", { class: "key-line" }, text, copyButton("Copy the key", () => key)), done);
    this.#made.hidden = false;
  }
}

const scopesOf = ({ scopes }) => inOrder(scopes).map((scope) => SCOPES[scope]).join(", ");
const inOrder = (scopes) => Object.keys(SCOPES).filter((scope) => scopes.includes(scope));
const lastUseOf = ({ last_used_at: at }) => (at ? `last used ${distanceTo(at)}` : "never used");

function endOf({ expires_at: at }) {
  if (!at) return "no end";
  return at > Date.now() ? `ends on ${instantOf(at)}` : `ended on ${instantOf(at)}`;
}
