#!/bin/sh
# The server's page in a headless Chromium, against a server that answers as the tests tell it. PICTURES=FOLDER keeps
# what the page looks like. `scripts/setup page` installs the browser. Whoever compiles, the page is the same: it is
# tested once.
set -u
[ "${BUILD:-build}" = build ] || { echo "test_page: the plain build tests it" && exit 77; }
command -v python3 >/dev/null || { echo "test_page: there is no python3" && exit 77; }
status=0
for tests in markdown chat look server; do
    out=$(PYTHONDONTWRITEBYTECODE=1 python3 "tests/server/page/test_$tests.py" 2>&1)
    case $? in
    0) ;;
    77) echo "test_page: $out" && exit 77 ;;
    *) echo "$out" && status=1 ;;
    esac
done
exit $status
