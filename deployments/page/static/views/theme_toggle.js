// The button that turns light into dark and back; a choice that agrees with the system is not kept.

import { icon } from "./element.js";

const KEY = "raylogue.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function themeToggle(button) {
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const render = () => {
    const label = isDark() ? "Switch to light" : "Switch to dark";
    button.setAttribute("aria-label", label);
    button.title = label;
    button.replaceChildren(icon(isDark() ? "sun" : "moon"));
  };
  button.addEventListener("click", () => {
    apply(isDark() ? "light" : "dark");
    render();
  });
  system.addEventListener("change", render);
  render();
}

function apply(theme) {
  const isSystem = (theme === "dark") === system.matches;
  if (isSystem) {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }
}
