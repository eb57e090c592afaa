// The sub-agents of an open conversation, by the calls that they work for.

import * as api from "./api.js";

/** The tool with which agents delegate. */
const DELEGATION = "task";

export class SubAgents {
  #id;
  #onChange;
  #byCall = new Map();
  /** The calls that the service was asked about, so that it is asked once even about a call that it does not know. */
  #asked = new Set();

  constructor(conversationId, onChange) {
    this.#id = conversationId;
    this.#onChange = onChange;
  }

  /** The sub-agent of a call as `{id, agent, state}`; the same object until something changes. */
  of(toolCallId) {
    return this.#byCall.get(toolCallId);
  }

  /** Fetches the sub-agents of the calls that are new among `rows`. */
  look(rows) {
    const calls = [...rows.values()].filter((row) => row.kind === "tool" && row.name === DELEGATION);
    const fresh = calls.filter(({ toolCallId }) => !this.#byCall.has(toolCallId) && !this.#asked.has(toolCallId));
    for (const { toolCallId } of fresh) this.#asked.add(toolCallId);
    if (fresh.length > 0) this.#fetch();
  }

  /** Takes what a call reports of its sub-agent. */
  receive({ tool_call_id, progress }) {
    if (!progress?.conversation) return;
    const known = this.#byCall.get(tool_call_id);
    this.#set(tool_call_id, { id: progress.conversation, agent: known?.agent ?? "", state: progress.state });
    if (!known?.agent) this.#fetch();
  }

  async #fetch() {
    try {
      const { conversations } = await api.subAgents(this.#id);
      for (const conversation of conversations) {
        const state = this.#byCall.get(conversation.parent_call)?.state ?? conversation.state;
        this.#set(conversation.parent_call, { id: conversation.id, agent: ownName(conversation.agent), state });
      }
    } catch {
      // The card shows no sub-agent; when the call reports of it again, it is fetched again.
    }
  }

  #set(toolCallId, subAgent) {
    const known = this.#byCall.get(toolCallId);
    if (known && Object.keys(subAgent).every((name) => known[name] === subAgent[name])) return;
    this.#byCall.set(toolCallId, subAgent);
    this.#onChange();
  }
}

/** The name without those of the agents above it: `critic` for `researcher/critic`. */
const ownName = (path) => path.split("/").at(-1);
