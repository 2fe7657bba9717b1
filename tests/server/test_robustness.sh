#!/bin/sh
# Clients that are many, gone, or read nothing cost nothing and disturb nobody.
exec python3 tests/server/robustness.py
