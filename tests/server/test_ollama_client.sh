#!/bin/sh
# Ollama's own client works with infer-server as it is.
exec tests/server/with_client ollama tests/server/ollama_client.py
