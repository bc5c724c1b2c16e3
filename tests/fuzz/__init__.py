"""Generated messages for every RPC, beside healthy callers: `python -m tests.fuzz --help`.

A service must answer whatever it is sent: no INTERNAL or UNKNOWN, an answer that a default client can read, a reason
with every refusal; and whoever sends it must not be felt by the callers who share the connection.
"""
