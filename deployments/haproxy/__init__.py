"""The program that Serve runs as its HAProxy: `wrapper` on one machine, `cluster` on the nodes of a cluster."""
