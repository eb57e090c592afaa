// The place for work that no person waits for.

import { BatchEditor } from "./batch_editor.js";
import { batchList, batchView } from "./batches.js";
import { failureList } from "./failures.js";
import { jobList, jobView } from "./jobs.js";
import { mayWrite } from "./parts.js";

/** A place, as `Places` opens it. */
export const work = {
  name: "work",
  title: "Work",
  symbol: "work",
  tabs: [
    { name: "batches", title: "Batches" },
    { name: "jobs", title: "Jobs" },
  ],
  isFor: ({ scopes }) => scopes.includes("read"),
  view: ([name, ...rest], params, context) => Object.hasOwn(VIEWS, name) && VIEWS[name](rest, params, context),
};

const VIEWS = {
  batches: ([id], params, context) => (id ? batchView(id, context) : batchList(params, context)),
  "new-batch": (_, params, context) => mayWrite(context.who) && new BatchEditor(context),
  jobs: ([id], params, context) => (id ? jobView(id, context) : jobList(params, context)),
  failures: (_, params, context) => failureList(params, context),
};
