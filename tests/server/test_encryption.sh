#!/bin/sh
# The same over TLS.
exec python3 tests/server/encryption.py
