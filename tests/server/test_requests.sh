#!/bin/sh
# Requests as clients send them come to the service unchanged, and answers go back.
exec python3 tests/server/requests_and_answers.py
