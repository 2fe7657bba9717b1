#!/bin/sh
# Every program has a manual page, and the page names every option that --help names, also those of its commands.
set -u
build=${BUILD:-build} failures=0
for program in "$build"/infer-*; do
    [ -x "$program" ] && [ ! -d "$program" ] || continue
    name=$(basename "$program")
    page=docs/man/$name.1
    if [ ! -e "$page" ]; then
        echo "test_man: $page is missing"
        failures=$((failures + 1))
        continue
    fi
    commands=$("$program" --help | sed -n "/^Commands:/,/^\$/s/^  $name \([a-z]*\) .*/\1/p")
    for command in $commands; do
        grep -q "^\.It Ic $command" "$page" && continue
        echo "test_man: $page does not name the command $command"
        failures=$((failures + 1))
    done
    for option in $({ "$program" --help && for c in $commands; do "$program" "$c" --help; done; } | grep -E '^ +-' | sed 's/   .*//' | grep -oE -- '(^|[ ,])--?[a-z][a-z-]*'); do
        mdoc="Fl $(printf '%s\n' "$option" | sed 's/^--/Fl /; s/^-//')"
        grep -qE -- "$mdoc( |\$)" "$page" && continue
        echo "test_man: $page does not name $option"
        failures=$((failures + 1))
    done
done
[ "$failures" = 0 ]
