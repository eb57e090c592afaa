// What a person does for a client tool that the page serves itself: shares the location, or picks a file.

import { blockOf, isText, Unfit } from "../attachments.js";
import { h } from "./element.js";
import { button } from "./form_parts.js";

/** The most characters of base64, or of text, that a picked file may have. */
const ROOM = 1_000_000;
/** How long the browser may look for the position, in ms. */
const PATIENCE = 30_000;
const DENIED = 1;

const MAKERS = { get_location: locationForm, pick_file: fileForm };

/**
 * The nodes for a call of the built-in tool `row.name`. `attempt(resolution)` sends an answer, `complain(message)` shows
 * why there is none yet; `limit` is the most bytes that the service takes.
 */
export function clientForm(row, attempt, complain, limit) {
  const purpose = row.arguments?.purpose;
  const decline = button("Decline", "plain", () => attempt({ decision: "reject", reason: "The person declined." }));
  const fields = MAKERS[row.name](attempt, complain, limit);
  return [purpose && h("p", { class: "subject" }, purpose), h("div", { class: "actions" }, fields, decline)].filter(Boolean);
}

function locationForm(attempt, complain) {
  const share = button("Share my location", "primary", () => {
    share.disabled = true;
    complain("");
    const options = { enableHighAccuracy: true, timeout: PATIENCE };
    navigator.geolocation.getCurrentPosition(({ coords, timestamp }) => attempt(answerOf(coords, timestamp)), failed, options);
  });
  const failed = ({ code, message }) => {
    share.disabled = false;
    if (code === DENIED) attempt({ decision: "reject", reason: "The browser does not allow it." });
    else complain(`The position cannot be found: ${message}`);
  };
  return [share];
}

function answerOf({ latitude, longitude, accuracy }, timestamp) {
  const answer = { latitude, longitude, accuracy_in_metres: accuracy, at: new Date(timestamp).toISOString() };
  return { decision: "respond", answer };
}

function fileForm(attempt, complain, limit) {
  const room = Math.min(ROOM, limit / 2); // the log keeps what was answered, and what the model reads of it
  const picker = h("input", { type: "file", hidden: true, "aria-label": "File to pick" });
  picker.addEventListener("change", async () => {
    const [file] = picker.files;
    picker.value = "";
    if (!file) return;
    complain("");
    try {
      await attempt({ decision: "respond", answer: await contentOf(file, room) });
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      complain(error.message);
    }
  });
  return [button("Choose a file…", "primary", () => picker.click()), picker];
}

/** The file as content blocks: its name, and what is in it. */
async function contentOf(file, room) {
  const name = { type: "text", text: `The person picked the file ${file.name}.` };
  if (!(await isText(file))) return [name, await blockOf(file, room)];
  if (file.size > room) throw new Unfit(`${file.name} is too large: there is room for ${Math.floor(room / 1024)} KB.`);
  if (file.size === 0) throw new Unfit(`${file.name} is empty.`);
  return [name, { type: "text", text: await file.text() }];
}
