// A question that must be answered before anything else, and a note that passes by.

import { h } from "./element.js";

/** Asks, and resolves to whether the answer was `action`; `dismiss` is what the other one is called. */
export function confirm({ title, text, action, dismiss = "Cancel" }) {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "dialog-title" },
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, text),
    h(
      "form",
      { method: "dialog", class: "actions" },
      h("button", { class: "button", value: "" }, dismiss),
      h("button", { class: "button danger", value: "yes" }, action),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    }),
  );
}

/** Shows `message` for a few seconds. */
export function toast(message) {
  const node = h("div", { class: "toast", role: "alert" }, message);
  document.body.append(node);
  setTimeout(() => node.remove(), 6000);
}
