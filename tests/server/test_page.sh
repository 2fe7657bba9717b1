#!/bin/sh
# The server's page in a headless Chromium, against a server that answers as the tests tell it. PICTURES=FOLDER keeps
# what the page looks like.
set -u
export PYTHONDONTWRITEBYTECODE=1
status=0
for tests in markdown chat look; do
    out=$(python3 "tests/server/page/test_$tests.py" 2>&1)
    case $? in
    0) ;;
    77) echo "test_page: $out" && exit 77 ;;
    *) echo "$out" && status=1 ;;
    esac
done
exit $status
