// Asks for an API key until the service takes one.

import { signIn } from "../api.js";
import { h } from "./element.js";

let isAsking = false;

/** Shows the form, once; when the person has signed in, the page begins anew. */
export function askForKey() {
  if (isAsking) return;
  isAsking = true;
  const input = h("input", { id: "api-key", type: "password", required: true, autocomplete: "current-password", spellcheck: "false" });
  const note = h("p", { class: "sign-in-note", role: "alert" });
  const button = h("button", { class: "button" }, "Sign in");
  const form = h(
    "form",
    { class: "sign-in", onsubmit: submit },
    h("label", { for: "api-key" }, "API key"),
    input,
    note,
    h("div", { class: "actions" }, button),
  );
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "sign-in-title", oncancel: (event) => event.preventDefault() },
    h("h2", { id: "sign-in-title" }, "Sign in"),
    h("p", {}, "This service asks for an API key. It is not kept in the browser."),
    form,
  );
  document.body.append(dialog);
  dialog.showModal();

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    try {
      await signIn(input.value.trim());
      location.reload();
    } catch (error) {
      note.textContent = error.isSignedOut ? "This key is not valid." : error.message;
      button.disabled = false;
      input.select();
    }
  }
}
