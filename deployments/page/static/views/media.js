// Pictures and documents that came with a message.

import { h, icon } from "./element.js";

/** Pictures beside each other; each opens in its full size. */
export function pictures(list) {
  const frames = list.map(({ address, label }) => {
    const image = h("img", { src: address, alt: label, loading: "lazy", decoding: "async" });
    const open = () => enlarge(address, label);
    return h("button", { type: "button", class: "picture", "aria-label": `Open ${label}`, onclick: open }, image);
  });
  return h("div", { class: "pictures" }, frames);
}

/** A document by its name; one that came with the message can be saved. */
export function documentChip({ address, name }) {
  const parts = [icon("file"), h("span", {}, name)];
  return address ? h("a", { class: "document", href: address, download: name }, parts) : h("span", { class: "document" }, parts);
}

function enlarge(address, label) {
  const close = () => dialog.close();
  const image = h("img", { src: address, alt: label });
  const dialog = h("dialog", { class: "picture-dialog", "aria-label": label, onclick: close }, image);
  dialog.append(h("button", { type: "button", class: "button", onclick: close }, "Close"));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
