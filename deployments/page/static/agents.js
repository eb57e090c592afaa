// The agents that this deployment offers: what each is for, and the tools and models that it has.

import * as api from "./api.js";

export class Agents {
  items = [];
  #byName = new Map();

  /** Asks the service. */
  async load() {
    const { agents } = await api.agents();
    this.items = agents.map((agent) => ({ ...agent, tools: agent.tools ?? [], models: agent.models ?? [] }));
    this.#byName = new Map(this.items.map((agent) => [agent.name, agent]));
  }

  get isLoaded() {
    return this.items.length > 0;
  }

  /** The name of the agent that a conversation gets which names none. */
  get default() {
    return (this.items.find((agent) => agent.default) ?? this.items[0])?.name ?? null;
  }

  find(name) {
    return this.#byName.get(name) ?? null;
  }

  /** What is known of one tool of an agent; undefined for one that only its MCP server knows. */
  toolOf(agent, tool) {
    return this.find(agent)?.tools.find((candidate) => candidate.name === tool);
  }

  /** Whether the agent keeps a plan. */
  plans(agent) {
    return this.toolOf(agent, "write_todos") !== undefined;
  }

  /** Whether the agent keeps files. */
  keepsFiles(agent) {
    return this.toolOf(agent, "create_file") !== undefined;
  }
}
