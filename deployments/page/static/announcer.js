// Says to those who listen instead of look what those who look can see.

export class Announcer {
  #node;

  constructor(node) {
    this.#node = node;
  }

  say(text) {
    if (text) this.#node.textContent = text;
  }
}

/** What an event is worth saying; tokens are not: the answer is announced when it is whole. */
export function announcementOf(event) {
  switch (event.type) {
    case "suspension":
      return { approval: "A tool call needs your approval", elicitation: `A question: ${event.prompt}` }[event.kind];
    case "tool_call":
      return `Using ${event.name}`;
    case "turn_ended":
      return { completed: "Answer complete", cancelled: "Stopped", failed: "The turn failed" }[event.outcome];
    default:
      return null;
  }
}
