// Rows that people and the model speak in. Each maker returns `{node, update(row)}`.

import { copyButton, h } from "./element.js";
import { endingOf, instantOf, noticeOf, timeOf } from "./words.js";

const DELIVERY = { queued: "Queued until this turn ends", waiting: "Waiting for the connection", failed: "Not sent" };

/** What a person said, and how it fares on its way. */
export function userRow(actions) {
  const text = h("div", { class: "bubble" });
  const foot = h("div", { class: "row-foot" });
  const node = h("article", { class: "row user", "aria-label": "You" }, text, foot);
  return { node, update };

  function update(row) {
    text.textContent = row.text;
    node.dataset.delivery = row.delivery ?? "logged";
    const time = row.at && h("time", { class: "quiet", title: instantOf(row.at) }, timeOf(row.at));
    foot.replaceChildren(...[deliveryOf(row), time].flat().filter(Boolean));
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

/** What the model said: plain while it streams, the service's HTML once it is in the log. */
export function assistantRow() {
  let current = null;
  const thought = h("div", { class: "thought" });
  const summary = h("summary", {}, "Thinking");
  const thinking = h("details", { class: "thinking", hidden: true }, summary, thought);
  const body = h("div", { class: "prose" });
  const ending = h("p", { class: "ending", hidden: true });
  const meta = h("span", { class: "quiet" });
  const foot = h("div", { class: "row-foot" }, copyButton("Copy this answer", () => current.text), meta);
  const node = h("article", { class: "row assistant", "aria-label": "Assistant" }, thinking, body, ending, foot);
  return { node, update };

  function update(row) {
    const isStreaming = row.status === "streaming";
    node.classList.toggle("streaming", isStreaming);
    node.setAttribute("aria-busy", String(isStreaming));
    thinking.hidden = !row.thinking;
    thinking.classList.toggle("active", isStreaming && !row.text);
    summary.textContent = isStreaming && !row.text ? "Thinking…" : "Thinking";
    setText(thought, row.thinking);
    body.hidden = !row.text;
    if (row.html == null) setText(body, row.text);
    else if (row.html !== current?.html) showHtml(body, row.html);
    body.classList.toggle("plain", row.html == null);
    ending.textContent = isStreaming ? "" : endingOf(row);
    ending.hidden = !ending.textContent;
    foot.hidden = isStreaming || !row.text;
    meta.textContent = [row.at && timeOf(row.at), row.model, row.tokens && `${row.tokens} tokens`].filter(Boolean).join(" · ");
    current = row;
  }
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

/** Appends what is new instead of writing all again: selections survive, and long answers stay cheap. */
function setText(element, value) {
  const node = element.firstChild;
  const isText = node?.nodeType === Node.TEXT_NODE && element.childNodes.length === 1;
  if (isText && value.startsWith(node.data)) node.appendData(value.slice(node.data.length));
  else element.textContent = value;
}

/** Sanitised by the service; the content security policy would stop whatever got past it. */
function showHtml(element, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const pre of template.content.querySelectorAll("pre")) dressCode(pre);
  for (const table of template.content.querySelectorAll("table")) {
    const frame = h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": "Table" });
    table.replaceWith(frame);
    frame.append(table);
  }
  element.replaceChildren(template.content);
}

function dressCode(pre) {
  const code = pre.querySelector("code") ?? pre;
  const language = h("span", {}, code.dataset.language ?? "");
  const bar = h("div", { class: "code-bar" }, language, copyButton("Copy this code", () => code.textContent));
  const frame = h("div", { class: "code" }, bar);
  pre.tabIndex = 0;
  pre.replaceWith(frame);
  frame.append(pre);
}
