#!/bin/sh
# The library exports infer_ only and cannot touch its host. Sanitizers add symbols of their own.
[ -z "${SAN-}" ] || exit 77
exec scripts/check-symbols "${BUILD:-build}/libinfer.a" "${BUILD:-build}"/libinfer.so.[0-9]* \
    "${BUILD:-build}/libinfer-service.a"
