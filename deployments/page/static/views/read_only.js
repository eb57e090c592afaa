// What replaces the message box at a sub-agent's conversation, which takes no messages.

import { h, icon } from "./element.js";

/** The notice, with a link to the conversation that the sub-agent works for. */
export function readOnlyNotice(parentAddress) {
  const link = h("a", { href: parentAddress }, "Open the conversation it works for");
  const words = h("span", {}, "This is what a sub-agent does; it takes its orders elsewhere. ", link);
  return h("p", { class: "read-only" }, icon("agent"), words);
}
