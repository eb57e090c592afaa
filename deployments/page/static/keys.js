// The shortcuts that work wherever the focus is.

/** `actions`: `create` for Ctrl/Cmd+K, `dismiss` for Esc. */
export function bindKeys({ create, dismiss }) {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      create();
    } else if (event.key === "Escape" && !document.querySelector("dialog[open], [popover]:popover-open")) {
      dismiss();
    }
  });
}

/** How the shortcut for a new conversation is written on this machine. */
export const newKeys = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘K" : "Ctrl K";
