#!/bin/sh
# How long the server waits for what.
exec python3 tests/server/patience.py
