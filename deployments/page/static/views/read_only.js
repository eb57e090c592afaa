// What stands in place of the message box where nothing can be said: at a sub-agent's conversation.

import { h, icon } from "./element.js";

/** The notice, with the way to the conversation that the sub-agent works for. */
export function readOnlyNotice(parentAddress) {
  const link = h("a", { href: parentAddress }, "Open the conversation it works for");
  const words = h("span", {}, "This is what a sub-agent does; it takes its orders elsewhere. ", link);
  return h("p", { class: "read-only" }, icon("agent"), words);
}
