#!/bin/sh
# Anthropic's own client works with infer-server as it is.
exec tests/server/with_client anthropic tests/server/anthropic_client.py
