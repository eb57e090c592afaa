// What replaces the message box where the person sends no messages.

import { h, icon } from "./element.js";

/** For a sub-agent's conversation, with a link to the one that it works for. */
export function childNotice(parentAddress) {
  const link = h("a", { href: parentAddress }, "Open the conversation it works for");
  return notice("agent", "This is what a sub-agent does; it takes its orders elsewhere. ", link);
}

/** For a conversation of `owner` that the person may only read; without an owner: for a credential that only reads. */
export function readerNotice(owner) {
  return notice("share", owner ? `You may read this conversation of ${owner}.` : "Your key may read conversations, and begin none.");
}

const notice = (symbol, ...words) => h("p", { class: "read-only" }, icon(symbol), h("span", {}, words));
