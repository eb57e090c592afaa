// A button that opens a short list of actions and links.

import { h, iconButton } from "./element.js";

let menus = 0;

/** `items` are `{label, act}` or `{label, href, download}`; keyboards walk it by Tab, and leave it by Escape. */
export function menu(label, symbol, items) {
  const id = `menu-${++menus}`;
  const list = h("ul", { class: "menu", id, popover: "auto", "aria-label": label });
  const button = iconButton(symbol, label, () => undefined, { popovertarget: id });
  list.append(...items.map((item) => h("li", {}, entry(item, list))));
  list.addEventListener("toggle", ({ newState }) => newState === "open" && list.querySelector("button, a").focus());
  return h("span", { class: "menu-place" }, button, list);
}

function entry({ label, act, href, download }, list) {
  const close = () => list.hidePopover();
  if (href) return h("a", { href, download, onclick: close }, label);
  const chosen = () => {
    close();
    act();
  };
  return h("button", { type: "button", onclick: chosen }, label);
}
