// The person's own choices for tools that leave it to each user whether they are asked.

import * as api from "./api.js";

export class Permissions {
  /** What the service last said of a tool, as a promise. */
  #choices = new Map();

  /** From now on the tool runs without asking. */
  async allow(tool) {
    await this.#set(tool, "auto");
  }

  /** From now on the person is asked, whatever the tool's own default is. */
  async takeBack(tool) {
    await this.#set(tool, "required");
  }

  /** Whether the person chose not to be asked; false while the service has not said. */
  isAllowed(tool) {
    if (!this.#choices.has(tool)) this.#choices.set(tool, this.#ask(tool));
    return this.#choices.get(tool).then((choice) => choice === "auto");
  }

  async #set(tool, choice) {
    const { approval } = await api.setApproval(tool, choice);
    this.#choices.set(tool, Promise.resolve(approval));
  }

  async #ask(tool) {
    try {
      return (await api.approval(tool)).approval;
    } catch {
      this.#choices.delete(tool);
      return null;
    }
  }
}
