#!/bin/sh
# LangChain's class for OpenAI's API works with infer-server as it is.
exec tests/server/with_client langchain_openai tests/server/langchain_client.py
