#!/bin/sh
# Clients that are slow, silent, many, or gone cost nothing and disturb nobody.
exec python3 tests/server/robustness.py
