#!/bin/sh
# Malformed and hostile bodies are refused as the client's mistake, or answered, and the server goes on as before.
exec python3 tests/server/bodies.py
