// How long a question still waits, counted down on the screen.

import { h } from "./element.js";
import { distanceTo, instantOf } from "./words.js";

const BEAT = 1000;

/** A note of the time that is left until `at` (ms since the epoch). */
export function expiryNote(at) {
  const note = h("time", { class: "quiet expiry", title: instantOf(at), datetime: new Date(at).toISOString() });
  let wasShown = false;
  const tell = () => {
    note.textContent = at > Date.now() ? `expires ${distanceTo(at)}` : "has expired";
    if (wasShown && !note.isConnected) clearInterval(ticking);
    wasShown ||= note.isConnected;
  };
  const ticking = setInterval(tell, BEAT);
  tell();
  return note;
}
