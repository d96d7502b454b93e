"""The live page: starlette routes, server-sent events, templates and ES modules."""
