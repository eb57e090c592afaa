// With whom a conversation is shared, and in which role: shown to all who are in it, changed and ended by its owner.

import * as api from "../api.js";
import { confirm } from "./dialog.js";
import { h, iconButton } from "./element.js";

const ROLES = { viewer: "may read", writer: "may write", approver: "may write and decide" };

/** Opens the dialog; `mayOwn` says whether the person `who` may change something, other than to leave. */
export async function share(id, who, mayOwn) {
  const title = mayOwn ? "Share" : "Members";
  const note = h("p", { class: "sign-in-note", role: "alert" });
  const owner = h("p", { class: "owner" });
  const list = h("ul", { class: "members" });
  const name = h("input", { id: "share-with", required: true, autocomplete: "off", spellcheck: "false" });
  const role = roles("viewer", "Role");
  const close = h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Close");
  const form = h(
    "form",
    { class: "sign-in", onsubmit: add },
    mayOwn && [h("label", { for: "share-with" }, "Share with"), name, role],
    note,
    h("div", { class: "actions" }, close, mayOwn && h("button", { class: "button" }, "Share")),
  );
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "share-title" }, h("h2", { id: "share-title" }, title), owner, list, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  await change(() => {});

  /** Does something to the members, and shows them as they are then. */
  async function change(action) {
    try {
      await action();
      const found = await api.members(id);
      owner.textContent = `It belongs to ${found.owner}.`;
      list.replaceChildren(...found.members.map(mayOwn ? row : plainRow));
      note.textContent = "";
      return true;
    } catch (error) {
      note.textContent = error.message;
      return false;
    }
  }

  async function add(event) {
    event.preventDefault();
    const written = name.value.trim();
    const principal = written.includes("/") ? written : `${who.tenant}/${written}`;
    if (await change(() => api.setMember(id, principal, role.value))) form.reset();
  }

  function row({ principal, role: current }) {
    const chosen = roles(current, `Role of ${principal}`);
    chosen.addEventListener("change", () => change(() => api.setMember(id, principal, chosen.value)));
    const end = () => change(() => api.removeMember(id, principal));
    return h("li", {}, h("span", { dir: "auto" }, principal), chosen, iconButton("close", `Stop sharing with ${principal}`, end));
  }

  function plainRow({ principal, role: current }) {
    const isOwn = principal === who.principal;
    const button = isOwn && h("button", { type: "button", class: "link", onclick: leave }, "Leave");
    return h("li", {}, h("span", { dir: "auto" }, principal), h("span", { class: "quiet" }, ROLES[current]), button);
  }

  async function leave() {
    const text = "You will not see it any more, unless it is shared with you again.";
    if (!(await confirm({ title: "Leave this conversation?", text, action: "Leave" }))) return;
    try {
      await api.removeMember(id, who.principal);
      dialog.close();
    } catch (error) {
      note.textContent = error.message;
    }
  }
}

function roles(current, label) {
  const options = Object.entries(ROLES).map(([value, words]) => h("option", { value, selected: value === current }, words));
  return h("select", { "aria-label": label }, options);
}
