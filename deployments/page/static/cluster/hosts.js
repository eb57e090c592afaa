// Who lives where: each host with its conversations, the turns that run for longest first.

import { conversationAddress } from "../address.js";
import { h } from "../views/element.js";
import { durationOf, section, stateMark } from "../work/parts.js";
import { Polling } from "../work/polling.js";
import { refill } from "../work/refill.js";
import { Table } from "../work/table.js";
import * as api from "./api.js";
import * as words from "./words.js";

/** How often to look, in ms. */
const PAUSE = 10_000;
const PAGE = 50;
const PER_HOST = 50;

export class HostsView {
  title = "Who lives where";
  tab = "hosts";
  node;
  #polling;
  /** How many pages of hosts are shown. */
  #pages = 1;
  #body = h("div", { class: "view-body" });
  #note = h("p", { class: "quiet view-note", role: "status" }, "…");
  #more = h("button", { type: "button", class: "link view-more", hidden: true, onclick: () => this.#showMore() }, "Show more hosts");

  constructor(link) {
    const header = h("header", { class: "view-head" }, h("h2", { id: "view-title" }, this.title));
    this.node = h("div", { class: "view" }, header, this.#body, this.#note, this.#more);
    this.#polling = new Polling(() => this.#look(), { link, onRefused: (error) => (this.#note.textContent = error.message) });
  }

  close() {
    this.#polling.stop();
  }

  wake() {
    this.#polling.now();
  }

  #showMore() {
    this.#pages++;
    this.#polling.now();
  }

  async #look() {
    const hosts = [];
    let after = "";
    for (let page = 0; page < this.#pages && after !== null; page++) {
      const found = await api.hosts(after, PAGE, PER_HOST);
      hosts.push(...found.hosts);
      after = found.next;
    }
    refill(this.#body, hosts.map(hostPart));
    this.#more.hidden = after === null;
    this.#note.textContent = hosts.length === 0 ? "No host lives: the next message starts one." : "";
    return PAUSE;
  }
}

function hostPart(host) {
  const part = section(host.name, h("p", { class: "standing" }, standing(host)), host.listed.length > 0 && tableOf(host));
  part.dataset.key = host.name;
  return part;
}

function standing({ node, address, answers, pid, memory, code_version: code, conversations, working, listed }) {
  const where = h("span", { class: "quiet", title: node }, `on ${words.shortId(node)} ${address ?? ""}`.trim());
  if (!answers) return [stateMark("bad", "does not answer"), where];
  if (conversations === null) return [stateMark("over", "has older code, and does not say"), where];
  const left = conversations - listed.length;
  const counts = `${words.counted(conversations, "conversation", "conversations")}, ${working} working${left > 0 ? `, ${left} not shown` : ""}`;
  const process = [`process ${pid}`, memory !== null && words.bytes(memory), `code ${code}`].filter(Boolean).join(", ");
  return [stateMark(working > 0 ? "busy" : "over", counts), where, h("span", { class: "quiet" }, process)];
}

function tableOf({ name, listed }) {
  const table = new Table({ caption: `Conversations in ${name}`, columns: COLUMNS });
  table.render(listed);
  return table.node;
}

const since = (at) => (at === null ? "" : durationOf(Math.max(0, Date.now() - at)));
const COLUMNS = [
  { title: "Conversation", cell: ({ id }) => h("a", { href: conversationAddress(id) }, id) },
  { title: "Agent", cell: ({ agent }) => agent, wide: true },
  { title: "State", cell: ({ state }) => stateMark(words.toneOf(state), words.stateWords(state)) },
  { title: "Turn", cell: ({ turn, turn_began_at: at }) => (at === null ? turn : `${turn}, for ${since(at)}`) },
  { title: "Waits for", cell: ({ waits_for: causes }) => causes.map(({ kind, name }) => name ?? kind).join(", "), wide: true },
  { title: "Watched by", cell: ({ watchers }) => watchers || "", wide: true },
];
