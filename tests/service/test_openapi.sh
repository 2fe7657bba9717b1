#!/bin/sh
# service/openapi.json describes all routes and no others.
command -v python3 >/dev/null || { echo "test_openapi: there is no python3" && exit 77; }
exec python3 tests/service/openapi.py
