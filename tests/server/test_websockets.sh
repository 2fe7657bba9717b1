#!/bin/sh
# /ws/generate: messages in, messages out, by RFC 6455.
exec python3 tests/server/websockets.py
