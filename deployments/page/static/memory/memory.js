// The place for what agents remember of a person, and for what the person tells all of them.

import { MemoryEditor, editMemory } from "./memory_editor.js";
import { memoryList } from "./memories.js";
import { InstructionsEditor } from "./instructions_editor.js";

/** A place, as `Places` opens it. */
export const memory = {
  name: "memory",
  title: "Memory",
  symbol: "memory",
  tabs: [
    { name: "remembered", title: "Remembered" },
    { name: "instructions", title: "Instructions" },
  ],
  isFor: ({ scopes }) => scopes.includes("read"),
  view: ([name, ...rest], params, context) => Object.hasOwn(VIEWS, name) && VIEWS[name](rest, params, context),
};

const VIEWS = {
  remembered: ([id], params, context) => (id ? editMemory(id, context) : memoryList(params, context)),
  new: (_, params, context) => context.who.scopes.includes("write") && new MemoryEditor(null, context),
  instructions: (_, params, context) => new InstructionsEditor(context),
};
