"""The command line: one file per command, over HTTP except for those that run the service on this machine."""
