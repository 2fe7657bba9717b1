#!/bin/sh
# How the server begins and ends, and what it is told by a file and the environment.
exec python3 tests/server/signals.py
