// The cluster at a glance: figures of the last minute, plots of the last ten, nodes and hosts.

import { conversationAddress } from "../address.js";
import { Plot } from "../plot/plot.js";
import { h } from "../views/element.js";
import { facts, section, stateMark } from "../work/parts.js";
import { Polling } from "../work/polling.js";
import { refill } from "../work/refill.js";
import { Table } from "../work/table.js";
import * as api from "./api.js";
import { Samples } from "./samples.js";
import * as words from "./words.js";

/** How often to look, in ms: a slot of the service's series is as long. */
const PAUSE = 5_000;
const MAX_HOSTS = 50;
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export class OverviewView {
  title = "The cluster at a glance";
  tab = "overview";
  node;
  #polling;
  #samples = new Samples();
  #note = h("p", { class: "quiet" }, "…");
  #alarms = h("div", { class: "view-body" });
  #figures = h("div", { class: "figures" });
  #plots = plots();
  #nodes = new Table({ caption: "Nodes", columns: NODE_COLUMNS });
  #hosts = new Table({ caption: "Shared hosts", columns: HOST_COLUMNS, keyOf: ({ name }) => name });
  #more = h("p", { class: "quiet view-note" });
  #body;

  constructor(link) {
    const header = h("header", { class: "view-head" }, h("h2", { id: "view-title" }, this.title), h("span", { class: "spacer" }), this.#note);
    const grid = h("div", { class: "plots" }, Object.values(this.#plots).map((plot) => plot.node));
    const tables = [section("Nodes", this.#nodes.node), section("Shared hosts", this.#hosts.node, this.#more)];
    this.#body = h("div", { class: "view-body", hidden: true }, this.#figures, grid, tables);
    this.node = h("div", { class: "view wide-view" }, header, this.#alarms, this.#body);
    this.#polling = new Polling(() => this.#look(), { link, onRefused: (error) => (this.#note.textContent = error.message) });
  }

  close() {
    this.#polling.stop();
  }

  wake() {
    this.#polling.now();
  }

  async #look() {
    const [seen, { stuck }] = await Promise.all([api.overview(), api.stuck()]);
    this.#note.textContent = `as of ${clock.format(seen.at)}, rates of the last ${seen.seconds} s`;
    this.#body.hidden = false;
    refill(this.#alarms, alarmsOf(seen, stuck));
    refill(this.#figures, [figures(seen)]);
    this.#draw(seen);
    this.#nodes.render(seen.nodes);
    const hosts = [...seen.hosts].sort((one, other) => one.answers - other.answers || other.conversations - one.conversations);
    this.#hosts.render(hosts.slice(0, MAX_HOSTS));
    this.#more.textContent = hosts.length > MAX_HOSTS ? `and ${hosts.length - MAX_HOSTS} more hosts` : "";
    return PAUSE;
  }

  #draw(seen) {
    const { began_at: at, slot_ms: slot, outcomes, ...series } = seen.series;
    const rate = (values) => values.map((value) => (value * 1000) / slot);
    const render = (name, ...values) => this.#plots[name].render({ at, values });
    render("turns", rate(outcomes.completed), rate(outcomes.failed), rate(outcomes.cancelled));
    render("firstToken", series.first_token_p50, series.first_token_p99);
    render("turnTime", series.turn_p50, series.turn_p99);
    render("tokens", rate(series.tokens));
    render("cost", series.cost.map((value) => (value * 60_000) / slot));
    const { live, working, states } = seen.conversations;
    const waiting = states.awaiting_input ?? 0;
    this.#samples.add(seen.at, [working, waiting, Math.max(0, live - working - waiting)]);
    this.#plots.conversations.render(this.#samples.data);
  }
}

function plots() {
  const quantiles = [{ name: "p50", tone: "1" }, { name: "p99", tone: "2" }];
  const outcomes = [{ name: "completed", tone: "1" }, { name: "failed", tone: "bad" }, { name: "cancelled", tone: "3" }];
  const states = [{ name: "working", tone: "1" }, { name: "waiting for people", tone: "2" }, { name: "at rest", tone: "3" }];
  return {
    turns: new Plot({ title: "Turns ended", series: outcomes, words: words.perSecond }),
    firstToken: new Plot({ title: "Time to the first token", series: quantiles, words: words.duration }),
    turnTime: new Plot({ title: "Time of a turn that asks no person", series: quantiles, words: words.duration }),
    tokens: new Plot({ title: "Tokens", series: [{ name: "all kinds", tone: "1" }], words: words.perSecond }),
    cost: new Plot({ title: "Cost a minute", series: [{ name: "all models", tone: "1" }], words: words.dollars }),
    conversations: new Plot({ title: "Live conversations, while this is open", series: states, words: words.count }),
  };
}

function figures({ turns, usage, conversations, dedicated }) {
  const quantiles = ({ count, p50, p99 }) => (count === 0 ? "nothing measured" : `p50 ${words.duration(p50)}, p99 ${words.duration(p99)}`);
  const states = Object.entries(conversations.states).map(([state, count]) => `${count} ${words.stateWords(state)}`);
  const outcomes = Object.entries(turns.outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  return facts([
    ["Turns", `${words.perSecond(turns.per_second)}: ${outcomes.join(", ")}`],
    ["First token", `${quantiles(turns.first_token_ms)} (± ${words.percent(turns.quantile_error)})`],
    ["Turn", quantiles(turns.turn_ms)],
    ["Use", `${words.count(usage.tokens)} tokens, ${words.dollars(usage.cost)}`],
    ["Conversations", [`${conversations.live} live`, ...states, `${conversations.hibernating} hibernating`].join(", ")],
    ["Dedicated actors", `${dedicated.live}, ${words.bytes(dedicated.memory)}`],
  ]);
}

/** What an operator should look at, each in a line. */
function alarmsOf({ hosts, dedicated }, stuck) {
  const silent = hosts.filter(({ answers }) => !answers).map(({ name }) => name);
  if (dedicated.silent > 0) silent.push(words.counted(dedicated.silent, "dedicated actor", "dedicated actors"));
  const unanswered = silent.length > 0 && h("p", { class: "view-error" }, `No answer from ${silent.join(", ")}.`);
  return [unanswered, ...stuck.map(stuckLine)].filter(Boolean);
}

function stuckLine({ conversation_id: id, progress_at: at, waits_for: causes }) {
  const waits = causes.map(({ kind, name }) => name ?? kind).join(", ");
  const since = `makes no progress since ${clock.format(at)}, and waits for ${waits || "nothing that is known"}.`;
  return h("p", { class: "view-error", "data-key": id }, h("a", { href: conversationAddress(id) }, id), ` ${since}`);
}

function nodeMark({ head, draining }) {
  if (draining) return stateMark("waits", "about to go");
  return head && h("span", { class: "quiet" }, "head");
}

function hostMark({ answers, conversations }) {
  if (!answers) return stateMark("bad", "silent");
  return conversations === null ? stateMark("over", "older code") : stateMark("ok", "answers");
}

const unknown = (value, say) => (value === null ? "?" : say(value));
const NODE_COLUMNS = [
  { title: "Node", cell: (node) => [h("code", { title: node.id }, words.shortId(node.id)), " ", nodeMark(node)].filter(Boolean) },
  { title: "Address", cell: ({ address }) => address, wide: true },
  { title: "Processor", cell: ({ processor, cores }) => `${unknown(processor, words.percent)} of ${cores}` },
  {
    title: "Memory",
    cell: ({ memory_used: used, memory_size: size }) => unknown(size, () => `${words.percent(used / size)} of ${words.bytes(size)}`),
  },
  { title: "Actors", cell: ({ actors }) => actors, wide: true },
  { title: "Hosts", cell: ({ hosts }) => hosts, wide: true },
  { title: "Dedicated", cell: ({ dedicated }) => dedicated, wide: true },
  { title: "Conversations", cell: ({ conversations }) => conversations },
];
const HOST_COLUMNS = [
  { title: "Host", cell: ({ name }) => h("code", {}, name) },
  { title: "State", cell: hostMark },
  { title: "Conversations", cell: ({ conversations }) => conversations ?? "?" },
  { title: "Working", cell: ({ working }) => working ?? "?", wide: true },
  { title: "Memory", cell: ({ memory }) => unknown(memory, words.bytes), wide: true },
  { title: "Code", cell: ({ code_version: version }) => version ?? "?", wide: true },
];
