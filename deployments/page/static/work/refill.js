// Puts new content in place of old where they differ, so that the focus, a selection and what was opened stay.

const STOPS = "a[href], button, input, select, textarea, summary, [tabindex]";

/** Makes `nodes` the children of `parent`; a child that is equal to the one that is there stays the one that is there. */
export function refill(parent, nodes) {
  const old = [...parent.children];
  const byKey = new Map(old.filter(keyOf).map((child) => [keyOf(child), child]));
  const kept = nodes.map((node, index) => {
    const before = keyOf(node) ? byKey.get(keyOf(node)) : old[index];
    return before ? successor(before, node) : node;
  });
  const isSame = kept.length === old.length && kept.every((node, index) => node === old[index]);
  if (isSame) return;
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && placeOf(parent, focused);
  parent.replaceChildren(...kept);
  if (focused && document.activeElement !== focused) focusAgain(parent, place, focused);
}

/** `before` if `node` says the same, else `node`, with the same parts opened. */
function successor(before, node) {
  const opened = foldsOf(before);
  for (const [index, details] of foldsOf(node).entries()) details.open = opened[index]?.open ?? false;
  return before.isEqualNode(node) ? before : node;
}

const foldsOf = (node) => [...(node.matches("details") ? [node] : []), ...node.querySelectorAll("details")];

function placeOf(parent, focused) {
  const child = [...parent.children].find((candidate) => candidate.contains(focused));
  return { key: keyOf(child), index: [...child.querySelectorAll(STOPS)].indexOf(focused), name: nameOf(focused) };
}

function focusAgain(parent, { key, index, name }, focused) {
  if (parent.contains(focused)) return focused.focus({ preventScroll: true });
  const child = key ? [...parent.children].find((candidate) => keyOf(candidate) === key) : parent;
  const stops = [...(child?.querySelectorAll(STOPS) ?? [])];
  const next = stops.find((stop) => nameOf(stop) === name) ?? (key && stops[index]);
  (next ?? parent.closest("[tabindex='-1']"))?.focus({ preventScroll: true });
}

const keyOf = (node) => node.dataset.key;
const nameOf = (node) => node.getAttribute("aria-label") ?? node.textContent;
