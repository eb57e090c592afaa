// The foot of the list: who the person is, the way to the account and out, and which service this is.

import * as api from "../api.js";
import { account } from "./account.js";
import { toast } from "./dialog.js";
import { h } from "./element.js";

/** The nodes, for what `api.info` and `api.whoami` have told. */
export function about({ version, dashboard }, who) {
  const { principal, user, tenant, signed_in } = who;
  const open = { type: "button", class: "link who", title: principal, "aria-label": `Account of ${principal}`, onclick: () => account(who) };
  return [
    tenant && h("button", open, user),
    signed_in && h("button", { type: "button", class: "link", onclick: signOut }, "Sign out"),
    h("span", {}, `Raylogue ${version}`),
    dashboard && h("a", { href: dashboard, target: "_blank", rel: "noopener" }, "Ray dashboard"),
  ].filter(Boolean);
}

async function signOut() {
  try {
    await api.signOut();
    location.reload();
  } catch (error) {
    toast(error.message);
  }
}
