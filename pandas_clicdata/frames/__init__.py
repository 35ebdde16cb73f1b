"""DataFrame <-> bytes: no HTTP, no endpoint."""
