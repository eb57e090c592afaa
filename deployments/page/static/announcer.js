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
      return { approval: `Your approval is needed: ${event.prompt}`, elicitation: questionOf(event) }[event.kind];
    case "tool_call":
      return event.source ? null : `Using ${event.name}`;
    case "turn_ended":
      return { completed: "Answer complete", cancelled: "Stopped", failed: "The turn failed" }[event.outcome];
    default:
      return null;
  }
}

/** A form has words of its own, which are read where it stands. */
const questionOf = ({ prompt, form }) => (form?.questions?.length ? "There are questions for you" : `A question: ${prompt}`);
