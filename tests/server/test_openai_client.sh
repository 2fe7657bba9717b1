#!/bin/sh
# OpenAI's own client works with infer-server as it is.
exec tests/server/with_client openai tests/server/openai_client.py
