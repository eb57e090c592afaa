// The place for operators: the cluster at a glance, and which conversation lives where.

import { HostsView } from "./hosts.js";
import { OverviewView } from "./overview.js";

/** A place, as `Places` opens it. */
export const cluster = {
  name: "cluster",
  title: "Cluster",
  symbol: "cluster",
  tabs: [
    { name: "overview", title: "At a glance" },
    { name: "hosts", title: "Who lives where" },
  ],
  isFor: ({ roles, scopes }) => roles.includes("operator") && scopes.includes("admin"),
  view: ([name], params, context) => VIEWS[name]?.(context),
};

const VIEWS = {
  overview: ({ link }) => new OverviewView(link),
  hosts: ({ link }) => new HostsView(link),
};
