#!/bin/sh
# The kernels of ARM, built by a cross compiler and run by qemu: those of each instruction set on a processor that has
# no higher one, which is found out there, and where an instruction that strayed from another set's folder is illegal.
# Skipped where compiler and qemu are not installed (scripts/setup aarch64).
set -u
folder=${BUILD:-build}/aarch64/bare
[ -z "${SAN-}" ] && [ -x "$folder/test_kernels" ] && command -v qemu-aarch64 >/dev/null || exit 77
unset INFER_CPU
status=0

run() { # processor, program, arguments
    cpu=$1 program=$2
    shift 2
    echo "--- $cpu: $program $*"
    qemu-aarch64 -cpu "$cpu" "$folder/$program" "$@"
}

check() { # processor, the highest set that it has
    run "$1" test_kernels --share 6 "$2 " || status=1
    said=$(run "$1" test_kernels dispatch) || status=1
    echo "$said"
    case $said in *"kernels up to $2,"*) ;; *) echo "$1 has another set than $2" && status=1 ;; esac
}

check cortex-a72 neon
check neoverse-n1 dotprod
check max i8mm
run cortex-a72 test_kernels --share 12 "scalar " || status=1
run cortex-a72 test_vector 5003 || status=1
exit $status
