// The HTTP API of the cluster, for operators.

import { call, query } from "../api.js";

/** The cluster at a glance; docs/operations.md says what is in it. */
export const overview = () => call("GET", "/v1/overview");
/** A page of the hosts that live, by name, with some of their conversations: `{hosts, next}`. */
export const hosts = (after, limit, perHost) => call("GET", `/v1/cluster/conversations?${query({ after, limit, per_host: perHost })}`);
/** The turns that make no progress, the longest first: `{stuck}`. */
export const stuck = () => call("GET", "/v1/stuck");
