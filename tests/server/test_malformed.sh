#!/bin/sh
# Thousands of malformed requests get an answer or the door, and a stream beside them comes whole.
exec python3 tests/server/malformed.py
