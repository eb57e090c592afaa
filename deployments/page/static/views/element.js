// Builds elements: the page sets text and attributes, never markup, except for HTML that the service sanitised.

const SVG = "http://www.w3.org/2000/svg";

/** Elements that hold what people, agents and tools wrote: each is read in the direction of its own script. */
export const TEXTS = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "td", "th", "pre", "blockquote", "textarea", "input", "label", "option"];

/** The element that `index.html` has under this id. */
export const element = (id) => document.getElementById(id);

/** An element with attributes (`true` for bare ones), listeners (`onclick`) and children (nodes, strings, nothing). */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (TEXTS.includes(tag)) node.dir = "auto";
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

function set(node, name, value) {
  if (value == null || value === false) return;
  if (typeof value === "function") node.addEventListener(name.slice(2), value);
  else node.setAttribute(name, value === true ? "" : value);
}

/** An icon of the sprite in `index.html`. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows only an icon, with a name for screen readers. */
export function iconButton(name, label, onclick, attributes = {}) {
  const all = { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes };
  return h("button", all, icon(name));
}

/** Copies text, and shows for a moment that it did. */
export function copyButton(label, text) {
  const button = iconButton("copy", label, async () => {
    await copy(text(), button);
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  });
  return button;
}

/** Browsers give a page the clipboard only on a secure origin; elsewhere they copy what is selected. */
async function copy(text, button) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "visually-hidden", "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  button.after(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  button.focus();
}
