"""The HTTP ingress: routes, problems, and the streams of events."""
