// The tools that run in this page when an agent calls them: those that people serve, and those that were added.

/** Tools that ask the person first, by name; each says whether this browser can serve it. */
const BUILT_IN = {
  get_location: () => window.isSecureContext && "geolocation" in navigator,
  pick_file: () => true,
};

export class ClientTools {
  #added = new Map();
  #onChange;

  /** `onChange()` is called when a tool was added. */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /**
   * From now on `run(args, {toolCallId, conversationId})` executes the calls of the client tool `name`. What it
   * returns, or resolves to, is the result: a text, a value for JSON, or a list of content blocks. What it throws is
   * told to the model. It takes the place of a tool of the page with that name.
   */
  add(name, run) {
    if (typeof run !== "function") throw new TypeError(`clientTool("${name}"): the second argument is a function`);
    this.#added.set(name, run);
    this.#onChange();
  }

  /** The function of a tool that was added; undefined for any other. */
  added(name) {
    return this.#added.get(name);
  }

  /** Whether the page has a form of its own for the tool. */
  isBuiltIn(name) {
    return !this.#added.has(name) && Object.hasOwn(BUILT_IN, name) && BUILT_IN[name]();
  }

  /** The names of the client tools of `agent` that run here; all that run here if its tools are not known. */
  namesFor(agent) {
    const runnable = [...new Set([...this.#added.keys(), ...Object.keys(BUILT_IN).filter((name) => this.isBuiltIn(name))])];
    if (!agent) return runnable;
    const wanted = new Set(agent.tools.filter(({ executor }) => executor === "client").map(({ name }) => name));
    return runnable.filter((name) => wanted.has(name));
  }
}
