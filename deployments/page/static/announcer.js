// Tells screen readers what can be seen on the screen.

export class Announcer {
  #node;

  constructor(node) {
    this.#node = node;
  }

  say(text) {
    if (text) this.#node.textContent = text;
  }
}

/** What to announce of an event to a person who may decide, or not. Deltas are not announced: the answer is, when it is whole. */
export function announcementOf(event, mayDecide) {
  switch (event.type) {
    case "suspension":
      if (!mayDecide) return event.kind === "client_exec" ? null : `Waits for the decision of another: ${event.prompt}`;
      return { approval: `Your approval is needed: ${event.prompt}`, elicitation: questionOf(event) }[event.kind];
    case "tool_call":
      return event.source ? null : `Using ${event.name}`;
    case "turn_ended":
      return { completed: "Answer complete", cancelled: "Stopped", failed: "The turn failed" }[event.outcome];
    default:
      return null;
  }
}

/** Not a form's question: a screen reader reads the form itself. */
const questionOf = ({ prompt, form }) => (form?.questions?.length ? "There are questions for you" : `A question: ${prompt}`);
