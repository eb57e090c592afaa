// The HTTP API of the work that no person waits for.

import { call, query } from "../api.js";

/** A page of jobs, `{jobs, next}`, without payloads and results; `wanted` are `state`, `type`, `whose`, `limit`, `cursor`. */
export const jobs = (wanted) => call("GET", `/v1/jobs?${query(wanted)}`);
export const job = (id) => call("GET", jobPath(id));
export const cancelJob = (id) => call("POST", jobPath(id, "/cancel"));
/** Has a job that is over done once more; answers the new one. */
export const retryJob = (id) => call("POST", jobPath(id, "/retry"));
/** Attempts that failed, `{failures}`; `wanted` are `since`, `until` (ms), `stage`, `type`, `conversation`, `limit`. */
export const failures = (wanted) => call("GET", `/v1/job-failures?${query(wanted)}`);


const jobPath = (id, rest = "") => `/v1/jobs/${encodeURIComponent(id)}${rest}`;
