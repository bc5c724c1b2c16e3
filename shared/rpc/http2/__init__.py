"""gRPC over HTTP/2, by asyncio, on the protocol state of the httpunk library (hyper's h2, in Rust).

`server` listens; a `connection` turns bytes into frames and frames into bytes, and has a `lifetime`; a `stream` is one
call on it, whose `request` comes in message by message; `context` is what its servicer sees. `framing`, `headers` and
`timeout` are gRPC's parts of the protocol, each by itself. What a module needs of the one that made its class, it says
by a Protocol, as `ConnectionForStreams`: so none imports another that imports it.
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""
