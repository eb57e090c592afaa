// The place for work that no person waits for.

import { BatchEditor } from "./batch_editor.js";
import { batchList, batchView } from "./batches.js";
import { failureList } from "./failures.js";
import { jobList, jobView } from "./jobs.js";
import { mayWrite } from "./parts.js";
import { replayList, replayView } from "./replays.js";
import { editSchedule, ScheduleEditor } from "./schedule_editor.js";
import { scheduleList, scheduleView } from "./schedules.js";

/** A place, as `Places` opens it. */
export const work = {
  name: "work",
  title: "Work",
  symbol: "work",
  tabs: [
    { name: "schedules", title: "Schedules" },
    { name: "batches", title: "Batches" },
    { name: "replays", title: "Replays" },
    { name: "jobs", title: "Jobs" },
  ],
  isFor: ({ scopes }) => scopes.includes("read"),
  view: ([name, ...rest], params, context) => Object.hasOwn(VIEWS, name) && VIEWS[name](rest, params, context),
};

const VIEWS = {
  schedules: ([id, part], params, context) => {
    if (part === "edit") return mayWrite(context.who) && editSchedule(id, context);
    return id ? scheduleView(id, context) : scheduleList(params, context);
  },
  "new-schedule": (_, params, context) => mayWrite(context.who) && new ScheduleEditor(null, context),
  batches: ([id], params, context) => (id ? batchView(id, context) : batchList(params, context)),
  "new-batch": (_, params, context) => mayWrite(context.who) && new BatchEditor(context),
  replays: ([id], params, context) => (id ? replayView(id, context) : replayList(params, context)),
  jobs: ([id], params, context) => (id ? jobView(id, context) : jobList(params, context)),
  failures: (_, params, context) => failureList(params, context),
};
