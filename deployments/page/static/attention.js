// Whether a person may look at this tab.

/** A tab that has been hidden for so long closes its connections: browsers allow only six per service. */
const REST_AFTER = 60_000;

/** Calls `onLook` whenever the tab is shown again, and `onRest` when it has been hidden for a while. */
export function watchAttention({ onLook, onRest }) {
  let timer = null;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.visibilityState === "hidden") timer = setTimeout(onRest, REST_AFTER);
    else onLook();
  });
}
