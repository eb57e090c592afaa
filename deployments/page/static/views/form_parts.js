// The small parts that the forms of a question are made of.

import { h } from "./element.js";

export const button = (label, style, onclick) => h("button", { type: "button", class: `button ${style}`, onclick }, label);

/** A line for what went wrong; empty and hidden until `complain`. */
export const errorLine = () => h("p", { class: "form-error", role: "alert", hidden: true });

export function complain(line, message) {
  line.textContent = message;
  line.hidden = !message;
}

/** Enter alone sends; with Shift it breaks the line. */
export function onEnter(submit) {
  return (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
}

export const pretty = (value) => JSON.stringify(value, null, 2);
