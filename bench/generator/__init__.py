"""A load generator for unary gRPC calls: its own process, a few microseconds of CPU a call.

A program that measures describes the load as a `Plan`, runs it with `process.generate(plan)` and reads the `Result`.
"""
