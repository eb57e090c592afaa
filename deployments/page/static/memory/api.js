// The HTTP API of memories and standing instructions.

import { call, query } from "../api.js";

/** A page of memories, `{memories, next}`; `wanted` are `q`, `limit`, `cursor`. */
export const memories = (wanted) => call("GET", `/v1/memories?${query(wanted)}`);
export const memory = (id) => call("GET", pathOf(id));
/** The same words twice are one memory. */
export const addMemory = (text) => call("POST", "/v1/memories", { text });
/** Refused if it has another `revision` by now. */
export const correctMemory = (id, text, revision) => call("PUT", pathOf(id), { text, revision });
export const forgetMemory = (id) => call("DELETE", pathOf(id));
/** As `{text, version}`; version 0: there are none. */
export const instructions = () => call("GET", "/v1/instructions");
export const setInstructions = (text, version) => call("PUT", "/v1/instructions", { text, version });

const pathOf = (id) => `/v1/memories/${encodeURIComponent(id)}`;
