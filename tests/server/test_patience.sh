#!/bin/sh
# How long the server waits for what, and what stays of those who have gone.
exec python3 tests/server/patience.py
