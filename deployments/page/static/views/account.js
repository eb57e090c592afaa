// Who the person is at this service, and the API keys by which programs act in that name.

import { ApiKeys } from "./api_keys.js";
import { h } from "./element.js";

const ROLES = { user: "user", admin: "admin of the tenant", operator: "operator of the cluster" };

/** Opens the dialog for `who`, as `api.whoami` tells it; the keys are fetched each time. */
export async function account(who) {
  const keys = new ApiKeys(who);
  const close = h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = h(
    "dialog",
    { class: "dialog wide", "aria-labelledby": "account-title" },
    h("h2", { id: "account-title" }, "Account"),
    h("dl", { class: "account" }, facts(who).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    keys.node,
    h("div", { class: "actions" }, close),
  );
  // With the dialog goes the only copy of a new key.
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  await keys.refresh();
}

function facts({ principal, tenant, roles }) {
  return [
    ["You are", principal],
    ["Tenant", tenant],
    ["Roles", roles.map((role) => ROLES[role] ?? role).join(", ")],
  ];
}
