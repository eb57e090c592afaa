// Rows that people and the model speak in. Each maker returns `{node, update(row)}`.

import { copyButton, h } from "./element.js";
import { documentChip, pictures } from "./media.js";
import { showHtml } from "./prose.js";
import { lookups, sourceList } from "./research.js";
import { structured } from "./structured.js";
import { usageNote } from "./usage_note.js";
import { endingOf, instantOf, noticeOf, timeOf } from "./words.js";

const DELIVERY = {
  queued: "Queued until this turn ends",
  steered: "Goes into this turn at its next step",
  waiting: "Waiting for the connection",
  failed: "Not sent",
};

const LEFT_OUT = {
  dropped: "Left out: a person has dropped this turn",
  refused: "Left out: the provider refused the request with this turn",
  old: "Left out: there was too much for the model",
  pictures: "Its pictures are left out: the provider refused the request with them",
};

const SENDERS = { agent: "The agent that asked", batch: "The batch", schedule: "The schedule" };

/** A person's message, and its status on the way to the service. */
export function userRow(actions) {
  const text = h("div", { class: "bubble", dir: "auto" });
  const media = h("div", { class: "media" });
  const foot = h("div", { class: "row-foot" });
  const node = h("article", { class: "row user" }, media, text, foot);
  return { node, update };

  function update(row) {
    text.textContent = row.text;
    text.hidden = !row.text;
    media.hidden = row.pictures.length + row.documents.length === 0;
    media.replaceChildren(...(row.pictures.length ? [pictures(row.pictures)] : []), ...row.documents.map(documentChip));
    node.dataset.delivery = row.delivery ?? "logged";
    node.dataset.by = row.by;
    node.setAttribute("aria-label", SENDERS[row.by] ?? "You");
    const time = row.at && h("time", { class: "quiet", title: instantOf(row.at) }, timeOf(row.at));
    node.dataset.leftOut = row.leftOut ?? "";
    foot.replaceChildren(...[deliveryOf(row), leftOutOf(row), time].flat().filter(Boolean));
  }

  /** What the model is not shown of this turn, and the way to change that. */
  function leftOutOf(row) {
    if (row.delivery || row.by === "agent" || !row.seq) return null;
    const mark = row.leftOut && h("span", { class: "left-out" }, LEFT_OUT[row.leftOut]);
    if (!row.mayWrite) return mark;
    const [label, act] =
      row.leftOut === "dropped" || row.leftOut === "refused"
        ? ["Take in again", actions.restoreTurn]
        : row.leftOut !== "old" && row.isOver && row.step === 1
          ? ["Leave out", actions.dropTurn]
          : [];
    return [mark, label && h("button", { type: "button", class: "link", onclick: () => act(row.turn) }, label)];
  }

  function deliveryOf(row) {
    const label = DELIVERY[row.delivery];
    if (!label) return null;
    if (row.delivery !== "failed") return h("span", { class: "delivery" }, label);
    return [
      h("span", { class: "delivery failed" }, `${label}: ${row.reason}`),
      h("button", { type: "button", class: "link", onclick: () => actions.editUnsent(row.clientId) }, "Edit"),
      h("button", { type: "button", class: "link", onclick: () => actions.discardUnsent(row.clientId) }, "Discard"),
    ];
  }
}

/** The model's answer: plain text while it streams, the service's HTML once it is in the log. */
export function assistantRow(actions) {
  let current = null;
  const thought = h("div", { class: "thought" });
  const summary = h("summary", {}, "Thinking");
  const thinking = h("details", { class: "thinking", hidden: true }, summary, thought);
  const research = h("div", { class: "lookups" });
  const body = h("div", { class: "prose" });
  const ending = h("p", { class: "ending", hidden: true });
  const sources = h("div", {});
  const meta = h("span", { class: "quiet" });
  const usage = usageNote(() => actions.usage(current.turn));
  const branch = h("button", { type: "button", class: "quiet link", onclick: () => actions.branch(current.seq) }, "Branch from here");
  const foot = h("div", { class: "row-foot" }, copyButton("Copy this answer", () => current.text), meta, usage.button, branch);
  const node = h("article", { class: "row assistant", "aria-label": "Assistant" });
  node.append(thinking, research, body, ending, sources, foot, usage.line);
  return { node, update };

  function update(row) {
    const isStreaming = row.status === "streaming";
    node.classList.toggle("streaming", isStreaming);
    node.setAttribute("aria-busy", String(isStreaming));
    thinking.hidden = !row.thinking;
    thinking.classList.toggle("active", isStreaming && !row.text);
    summary.textContent = isStreaming && !row.text ? "Thinking…" : "Thinking";
    setText(thought, row.thinking);
    body.hidden = !row.text && row.output == null;
    showWords(row);
    ending.textContent = isStreaming ? "" : endingOf(row);
    ending.hidden = !ending.textContent;
    if (row.research) research.replaceChildren(...lookups(row.research));
    if (row.research) sources.replaceChildren(...sourceList(row.research));
    foot.hidden = isStreaming || !row.text;
    meta.textContent = [row.at && timeOf(row.at), row.model].filter(Boolean).join(" · ");
    usage.button.hidden = !row.tokens;
    usage.button.textContent = `${row.tokens} tokens`;
    branch.hidden = !(row.isOver && row.mayBranch);
    current = row;
  }

  function showWords(row) {
    if (row.output != null) {
      if (current?.output == null) body.replaceChildren(structured(row.output));
    } else if (row.html == null) setText(body, row.text);
    else if (row.html !== current?.html) showHtml(body, row.html);
    body.classList.toggle("plain", row.html == null && row.output == null);
  }
}

/** What the agent itself told the model during the turn. */
export function remarkRow() {
  const text = h("div", { class: "thought" });
  const node = h("details", { class: "row thinking remark" }, h("summary", {}, "A note to the model"), text);
  return { node, update: (row) => (text.textContent = row.text) };
}

/** A divider: of what is above it the model has only a summary. */
export function summaryRow() {
  const text = h("div", { class: "summary-text" });
  const head = h("summary", { class: "notice" }, h("span", {}, "Earlier messages were summarised"));
  const node = h("details", { class: "row summary" }, head, text);
  return { node, update: (row) => (text.textContent = row.text) };
}

/** How a turn ended, when it did not end well. */
export function noticeRow() {
  const node = h("p", { class: "row notice" });
  return {
    node,
    update(row) {
      node.dataset.outcome = row.outcome;
      node.replaceChildren(h("span", {}, noticeOf(row)));
    },
  };
}

/** A sign of life while there is nothing to show yet. */
export function workingRow() {
  const label = h("span", { class: "visually-hidden" });
  const node = h("div", { class: "row working" }, h("i"), h("i"), h("i"), label);
  return { node, update: (row) => (label.textContent = row.label) };
}

/** Appends only what is new: a selection stays, and a long answer costs little. */
function setText(element, value) {
  const node = element.firstChild;
  const isText = node?.nodeType === Node.TEXT_NODE && element.childNodes.length === 1;
  if (isText && value.startsWith(node.data)) node.appendData(value.slice(node.data.length));
  else element.textContent = value;
}
