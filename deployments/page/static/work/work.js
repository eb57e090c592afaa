// The place for work that no person waits for.

import { failureList } from "./failures.js";
import { jobList, jobView } from "./jobs.js";

/** A place, as `Places` opens it. */
export const work = {
  name: "work",
  title: "Work",
  symbol: "work",
  tabs: [{ name: "jobs", title: "Jobs" }],
  isFor: ({ scopes }) => scopes.includes("read"),
  view: ([name, ...rest], params, context) => Object.hasOwn(VIEWS, name) && VIEWS[name](rest, params, context),
};

const VIEWS = {
  jobs: ([id], params, context) => (id ? jobView(id, context) : jobList(params, context)),
  failures: (_, params, context) => failureList(params, context),
};
