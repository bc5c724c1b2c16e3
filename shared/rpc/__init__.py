"""Calls over gRPC: what a host is and the two there are, the policies that every call passes, statuses, health,
reflection. Nothing outside this package knows which host runs."""
