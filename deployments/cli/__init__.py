"""The command line `raylogue`: it talks to a service over HTTP, and runs the service of this machine."""
