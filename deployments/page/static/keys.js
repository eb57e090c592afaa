// The shortcuts that work wherever the focus is, and the link over what comes before the content.

/** `actions`: `create` for Ctrl/Cmd+K, `dismiss` for Esc, `skip` for the link `skipLink`. */
export function bindKeys({ create, dismiss, skip }, skipLink) {
  skipLink.addEventListener("click", (event) => {
    event.preventDefault(); // the fragment of the address says which view is open
    skip();
  });
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
