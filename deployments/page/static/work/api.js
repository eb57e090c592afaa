// The HTTP API of the work that no person waits for.

import { call, query } from "../api.js";
import { upload } from "./upload.js";

/** A page of jobs, `{jobs, next}`, without payloads and results; `wanted` are `state`, `type`, `whose`, `limit`, `cursor`. */
export const jobs = (wanted) => call("GET", `/v1/jobs?${query(wanted)}`);
export const job = (id) => call("GET", jobPath(id));
export const cancelJob = (id) => call("POST", jobPath(id, "/cancel"));
/** Has a job that is over done once more; answers the new one. */
export const retryJob = (id) => call("POST", jobPath(id, "/retry"));
/** Attempts that failed, `{failures}`; `wanted` are `since`, `until` (ms), `stage`, `type`, `conversation`, `limit`. */
export const failures = (wanted) => call("GET", `/v1/job-failures?${query(wanted)}`);


/** A page of schedules, `{schedules, next}`; `wanted` are `whose`, `limit`, `cursor`. */
export const schedules = (wanted) => call("GET", `/v1/schedules?${query(wanted)}`);
export const schedule = (id) => call("GET", schedulePath(id));
export const createSchedule = (definition) => call("POST", "/v1/schedules", definition);
/** Null takes a field away. */
export const changeSchedule = (id, changes) => call("PATCH", schedulePath(id), changes);
export const removeSchedule = (id) => call("DELETE", schedulePath(id));
export const pauseSchedule = (id) => call("POST", schedulePath(id, "/pause"));
export const resumeSchedule = (id) => call("POST", schedulePath(id, "/resume"));
/** The next due times of `{cron, every, zone, start, end}`, as `{next}`. */
export const previewSchedule = (timetable) => call("POST", "/v1/schedules/preview", timetable);
/** One more run; the same `clientId` again is the same one. */
export const runSchedule = (id, clientId) => call("POST", schedulePath(id, "/runs"), { client_id: clientId });
/** A page of runs, `{runs, next}`, the newest first. */
export const scheduleRuns = (id, wanted) => call("GET", schedulePath(id, `/runs?${query(wanted)}`));
export const cancelScheduleRun = (id, run) => call("POST", schedulePath(id, `/runs/${encodeURIComponent(run)}/cancel`));

/** A page of batches, `{batches, next}`; `wanted` are `state`, `whose`, `limit`, `cursor`. */
export const batches = (wanted) => call("GET", `/v1/batches?${query(wanted)}`);
export const batch = (id) => call("GET", batchPath(id));
/** Sends a file of rows, as `upload`; answers `{id, bytes}`. */
export const sendBatchFile = (file, onProgress, signal) => upload("/v1/batch-files", file, onProgress, signal);
export const createBatch = (definition) => call("POST", "/v1/batches", definition);
export const pauseBatch = (id) => call("POST", batchPath(id, "/pause"));
export const resumeBatch = (id) => call("POST", batchPath(id, "/resume"));
export const cancelBatch = (id) => call("POST", batchPath(id, "/cancel"));
/** Has the rows that failed, and those that were never finished, begun anew. */
export const retryBatch = (id) => call("POST", batchPath(id, "/retry"));
export const removeBatch = (id) => call("DELETE", batchPath(id));
/** What has become of one row, as in the results, with its `status` and `conversation_id`. */
export const batchRow = (id, row) => call("GET", batchPath(id, `/rows/${row}`));
/** The rows that failed, from behind row `after`, and those that wait for people: `{failures, waiting}`, with `conversation_id`. */
export const batchFailures = (id, wanted) => call("GET", batchPath(id, `/failures?${query(wanted)}`));
/** Where the results can be downloaded, in the format `jsonl` or `parquet`. */
export const resultsAddress = (id, format) => batchPath(id, `/results?format=${format}`);

/** A page of replays, `{replays, next}`; `wanted` are `whose`, `limit`, `cursor`. */
export const replays = (wanted) => call("GET", `/v1/replays?${query(wanted)}`);
export const replay = (id) => call("GET", replayPath(id));
export const pauseReplay = (id) => call("POST", replayPath(id, "/pause"));
export const resumeReplay = (id) => call("POST", replayPath(id, "/resume"));
export const removeReplay = (id) => call("DELETE", replayPath(id));
/** Where the rows that there are can be downloaded, as JSON Lines; and the page that sums them up. */
export const replayResultsAddress = (id) => replayPath(id, "/results");
export const replaySummaryAddress = (id) => replayPath(id, "/summary");

const jobPath = (id, rest = "") => `/v1/jobs/${encodeURIComponent(id)}${rest}`;
const schedulePath = (id, rest = "") => `/v1/schedules/${encodeURIComponent(id)}${rest}`;
const replayPath = (id, rest = "") => `/v1/replays/${encodeURIComponent(id)}${rest}`;
const batchPath = (id, rest = "") => `/v1/batches/${encodeURIComponent(id)}${rest}`;
