#!/bin/sh
# infer.h compiles alone.
exec scripts/check-header
