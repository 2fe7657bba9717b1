#!/bin/sh
# The server with the model inside it.
exec python3 tests/server/whole.py
