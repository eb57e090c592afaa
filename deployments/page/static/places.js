// The places beside the conversations: the one that the address names has the main part of the page.

import { addressOf, readAddress } from "./address.js";
import { element, h, icon, iconButton } from "./views/element.js";

const LOST = {
  title: "Nothing is here",
  node: h("div", { class: "view" }, h("h2", { id: "view-title" }, "Nothing is here"), h("p", { class: "quiet" }, "There is no such view, or it is not for you.")),
};

export class Places {
  #places;
  #actions;
  /** What the views of a place work with; null until it is known who the person is. */
  #context = null;
  #open = null;
  #view = null;
  #node = element("place");
  #tabs = h("nav", { class: "tabs" });

  /**
   * A place is `{name, title, symbol, tabs: [{name, title}], isFor(who), view(path, params, context)}`: `name` is the first
   * part of its addresses, `path` what follows, and the first tab is shown if nothing does. A view is `{title, tab, node}`
   * and may have `close()`, `wake()` (the connection, or the person, is back) and `told(event)` (of the feed).
   *
   * `actions` are `openDrawer` and `announce(words)`.
   */
  constructor(places, actions) {
    this.#places = places;
    this.#actions = actions;
  }

  get isOpen() {
    return this.#open !== null;
  }

  /** Offers the places that are for this person: `context` is `{who, agents, link}`. */
  enter(context) {
    const isFirst = this.#context === null;
    this.#context = context;
    const offered = this.#places.filter((place) => place.isFor(context.who));
    element("places").replaceChildren(...offered.map(linkTo));
    this.#mark();
    if (isFirst && this.isOpen) this.#show();
  }

  /** Opens the place that the address names, or none; whether one is open. */
  route() {
    const [name] = readAddress().path;
    const place = this.#places.find((candidate) => candidate.name === name) ?? null;
    if (place !== this.#open) this.#turnTo(place);
    if (place) this.#show();
    return this.isOpen;
  }

  told(event) {
    this.#view?.told?.(event);
  }

  wake() {
    this.#view?.wake?.();
  }

  #turnTo(place) {
    this.#leave();
    this.#open = place;
    this.#node.hidden = place === null;
    for (const id of ["thread", "dock"]) element(id).hidden = place !== null;
    this.#mark();
    if (!place) return;
    this.#tabs.setAttribute("aria-label", place.title);
    const tabs = place.tabs.map(({ name, title }) => h("a", { href: addressOf([place.name, name]), "data-tab": name }, title));
    this.#tabs.replaceChildren(...tabs);
    const drawer = iconButton("menu", "Conversations", this.#actions.openDrawer, { class: "icon-button drawer-button" });
    element("topbar").replaceChildren(drawer, h("h1", { class: "heading" }, place.title), this.#tabs);
  }

  #show() {
    if (this.#context === null) return this.#node.replaceChildren(h("p", { class: "quiet" }, "…"));
    const { path, params } = readAddress();
    const place = this.#open;
    this.#leave();
    const parts = path.length > 1 ? path.slice(1) : [place.tabs[0].name];
    const view = (place.isFor(this.#context.who) && place.view(parts, params, this.#context)) || LOST;
    this.#view = view;
    for (const tab of this.#tabs.children) tab.toggleAttribute("aria-current", false);
    this.#tabs.querySelector(`[data-tab="${CSS.escape(view.tab ?? "")}"]`)?.setAttribute("aria-current", "page");
    document.title = `${view.title} · Raylogue`;
    this.#node.replaceChildren(view.node);
    this.#node.scrollTop = 0;
    this.#focus(view);
  }

  /** The keyboard goes on in what is shown, unless it walks along the tabs. */
  #focus(view) {
    if (this.#tabs.contains(document.activeElement)) this.#actions.announce(view.title);
    else this.#node.focus({ preventScroll: true });
  }

  #leave() {
    this.#view?.close?.();
    this.#view = null;
  }

  #mark() {
    for (const link of element("places").children) {
      if (link.dataset.place === this.#open?.name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
}

function linkTo({ name, title, symbol }) {
  return h("a", { class: "place-link", href: addressOf([name]), "data-place": name }, icon(symbol), title);
}
