#!/bin/sh
# What shells complete the programs' command lines by: each script is read by its shell without a word, and completes
# options, their values, commands and files. Shells that are not there are passed over.
set -u
build=${BUILD:-build} failures=0 tried=0
[ -x "$build/infer-run" ] || exit 77
build=$(cd "$build" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "$1"
    failures=$((failures + 1))
}
has() { command -v "$1" >/dev/null 2>&1; }
same() { [ "$1" = "$2" ] || fail "$3: '$1' is not '$2'"; }

for program in "$build"/infer-*; do
    [ -x "$program" ] && [ ! -d "$program" ] || continue
    name=$(basename "$program")
    for shell in bash zsh fish; do
        "$program" --completion $shell >"$dir/$name.$shell" 2>"$dir/err" || fail "$name --completion $shell"
        [ -s "$dir/$name.$shell" ] || fail "$name: nothing for $shell"
        ! has $shell || $shell -n "$dir/$name.$shell" 2>"$dir/err" && continue
        fail "$name: $shell does not read its script: $(head -n 3 "$dir/err")"
    done
    # Every option that --help names is in the scripts.
    for option in $("$program" --help | grep -E '^ +-' | sed 's/   .*//' | grep -oE -- '(^|[ ,])--?[a-z][a-z0-9-]*'); do
        grep -qE -- "[' ]$option " "$dir/$name.bash" || fail "$name: bash does not know $option"
        grep -qE -- "'\*?$option=?\[" "$dir/$name.zsh" || fail "$name: zsh does not know $option"
        grep -qE -- "-[lso] ${option#"${option%%[a-z]*}"}( |\$)" "$dir/$name.fish" || fail "$name: fish does not know $option"
    done
done
"$build/infer-run" --completion csh >/dev/null 2>"$dir/err"
same $? 2 'a shell that is not known'
grep -q 'expected bash, zsh or fish' "$dir/err" || fail "of csh: $(cat "$dir/err")"

mkdir "$dir/files" && cd "$dir/files" && touch 'a model.gguf' && mkdir sub

if has bash; then
    tried=1
    bash_completes() { # words, the last of them begun
        bash --norc -c '. "$1"; shift; compopt() { :; }; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _infer_run; printf "%s\n" "${COMPREPLY[@]}"' - "$dir/infer-run.bash" "$@" | sed 's/ *$//' | paste -sd,
    }
    same "$(bash_completes infer-run --prec)" '--precision' 'bash: an option'
    same "$(bash_completes infer-run --precision '')" 'fast,exact' 'bash: the values of an option'
    same "$(bash_completes infer-run --precision = e)" 'exact' 'bash: a value behind ='
    same "$(bash_completes infer-run -m a)" 'a model.gguf' 'bash: a file'
    same "$(bash_completes infer-run --prefix-store '')" 'sub' 'bash: a directory'
    same "$(bash_completes infer-run -n '')" '' 'bash: a number'
    same "$(bash_completes infer-run d)" 'doctor' 'bash: a command'
    same "$(bash_completes infer-run list --j)" '--json' 'bash: an option of a command'
    same "$(bash_completes infer-run list --prec)" '' 'bash: no option of the command'
fi

if has fish; then
    tried=1
    export HOME="$dir" XDG_CONFIG_HOME="$dir/config" XDG_DATA_HOME="$dir/data"
    fish_completes() {
        fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$dir/infer-run.fish" "$1" | cut -f 1 | paste -sd,
    }
    same "$(fish_completes 'infer-run --prec')" '--precision' 'fish: an option'
    same "$(fish_completes 'infer-run --precision e')" 'exact' 'fish: a value'
    same "$(fish_completes 'infer-run -m a')" 'a model.gguf' 'fish: a file'
    same "$(fish_completes 'infer-run -ctk q')" 'q4_0,q8_0' 'fish: an option with one dash'
    same "$(fish_completes 'infer-run d')" 'doctor' 'fish: a command'
    same "$(fish_completes 'infer-run doctor --j')" '--json' 'fish: an option of a command'
    same "$(fish_completes 'infer-run doctor --prec')" '' 'fish: no option of the command'
fi

if has zsh && python3 -c 'import pty' 2>/dev/null; then
    tried=1
    mkdir "$dir/functions"
    for name in "$dir"/infer-*.zsh; do cp "$name" "$dir/functions/_$(basename "$name" .zsh)"; done
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$OLDPWD/tests/tools python3 - "$dir" <<'END' || fail 'zsh'
import sys
from terminal import TAB, Terminal

folder = sys.argv[1]
shell = Terminal(["zsh", "-f", "-i"], PS1="ready> ", HOME=folder)
shell.expect("ready> ")
shell.type(f"fpath=({folder}/functions $fpath); autoload -U compinit; compinit -u -D; bindkey '^X' list-choices; unsetopt "
           "automenu; path=(); echo do''ne\n")
shell.expect("done", 120)
shell.expect("ready> ")
for typed, expected in (("infer-run --prec", "infer-run --precision"), ("infer-run --precision=e", "--precision=exact"),
                        ("infer-run -ctk q8", "q8_0"), ("infer-run doc", "infer-run doctor"),
                        ("infer-run -m a", "model.gguf"), ("infer-run list --js", "list --json")):
    shell.type(typed + TAB + "\n")
    text = shell.expect("ready> ")
    seen = text.replace("\x1b[0m", "")
    if expected not in "".join(c for c in seen if c.isprintable()):
        sys.exit(f"zsh: {typed!r} becomes {seen!r}, expected {expected!r}")
END
fi
[ "$failures" = 0 ] || exit 1
[ "$tried" = 1 ] || exit 77
