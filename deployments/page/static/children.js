// The sub-agents of an open conversation, by the calls that they work for.

import * as api from "./api.js";

/** The tool with which agents delegate. */
const DELEGATION = "task";

export class Children {
  #id;
  #onChange;
  #byCall = new Map();
  /** Calls that the service was asked about: one that it does not know is asked about once. */
  #sought = new Set();

  constructor(conversationId, onChange) {
    this.#id = conversationId;
    this.#onChange = onChange;
  }

  /** The sub-agent of a call as `{id, agent, state}`; the same object until something changes. */
  of(toolCallId) {
    return this.#byCall.get(toolCallId);
  }

  /** Looks for the sub-agents of calls that are new among `rows`. */
  seek(rows) {
    const calls = [...rows.values()].filter((row) => row.kind === "tool" && row.name === DELEGATION);
    const fresh = calls.filter(({ toolCallId }) => !this.#byCall.has(toolCallId) && !this.#sought.has(toolCallId));
    for (const { toolCallId } of fresh) this.#sought.add(toolCallId);
    if (fresh.length > 0) this.#fetch();
  }

  /** Takes what a call reports of its sub-agent. */
  heard({ tool_call_id, progress }) {
    if (!progress?.conversation) return;
    const known = this.#byCall.get(tool_call_id);
    this.#note(tool_call_id, { id: progress.conversation, agent: known?.agent ?? "", state: progress.state });
    if (!known?.agent) this.#fetch();
  }

  async #fetch() {
    try {
      const { conversations } = await api.children(this.#id);
      for (const child of conversations) {
        const state = this.#byCall.get(child.parent_call)?.state ?? child.state;
        this.#note(child.parent_call, { id: child.id, agent: ownName(child.agent), state });
      }
    } catch {
      // The card does without; what the call reports next brings another look.
    }
  }

  #note(toolCallId, child) {
    const known = this.#byCall.get(toolCallId);
    if (known && Object.keys(child).every((name) => known[name] === child[name])) return;
    this.#byCall.set(toolCallId, child);
    this.#onChange();
  }
}

/** A sub-agent is called after the agents above it, as in `researcher/critic`. */
const ownName = (path) => path.split("/").at(-1);
