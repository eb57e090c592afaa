// HTML that the service made of Markdown, with what a page adds to it: copy buttons, and frames for wide tables.

import { TEXTS, copyButton, h } from "./element.js";

/** The HTML is sanitised by the service; the content security policy would stop a script that got through. */
export function showHtml(element, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const text of template.content.querySelectorAll(TEXTS.join())) text.dir = "auto";
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
