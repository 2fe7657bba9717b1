#!/bin/sh
# infer-server runs a model of a hub, and fetches others when requests ask for it.
command -v python3 >/dev/null && python3 -c 'import random; random.randbytes' 2>/dev/null || exit 77
exec python3 tests/server/pull.py
