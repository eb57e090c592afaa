"""The whole system on one machine: what `raylogue up` runs, from the embedded Valkey to the ingress."""
