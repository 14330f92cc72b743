"""Talking to S3: one connection, transfers in parallel, every one repeated when it fails and checked when it arrives.

`address` says which bucket and prefix, `connection` makes requests, `retry` knows which failures pass, `parallel` does
many at once, `objects` moves whole objects, `frames` compresses them, `client` is what users get as `metaflow_core.S3`.
"""
