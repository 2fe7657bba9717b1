#!/usr/bin/env python3
"""Coefficients of kernels/generic/math.h: best polynomials by Remez' exchange, in 40 digits, printed as C.

    python3 kernels/gen/minimax.py

Each polynomial p minimises the largest weighted error |w (p - f)| over an interval. The error printed is that of
the coefficients as floats.
"""
from mpmath import mp, mpf
import struct

mp.dps = 40


def to_float(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def remez(f, w, lo, hi, degree, rounds=12):
    """Polynomial of the degree that equioscillates; returns coefficients from x^0 up and the largest error."""
    n = degree + 2
    xs = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * k / (n - 1)) for k in range(n)]
    grid = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * k / 600) for k in range(601)]
    values = [(x, f(x), w(x)) for x in grid]
    for _ in range(rounds):
        a = mp.matrix(n, n)
        b = mp.matrix(n, 1)
        for i, x in enumerate(xs):
            for k in range(degree + 1):
                a[i, k] = x**k
            a[i, n - 1] = (-1) ** i / w(x)
            b[i] = f(x)
        c = list(mp.lu_solve(a, b))[:-1]
        error = [(wx * (mp.polyval(c[::-1], x) - fx), x) for x, fx, wx in values]
        extrema, best = [], error[0]
        for e in error[1:]:  # the largest error of each run of one sign
            if (e[0] > 0) == (best[0] > 0):
                best = max(best, e, key=lambda t: abs(t[0]))
            else:
                extrema.append(best)
                best = e
        extrema.append(best)
        if len(extrema) < n:
            break
        while len(extrema) > n:
            extrema.pop(0 if abs(extrema[0][0]) < abs(extrema[-1][0]) else -1)
        xs = [x for _, x in extrema]
    return c, max(abs(e) for e, _ in error)


def rounded(f, w, lo, hi, degree):
    """As remez(), with coefficients that are floats, and the error that then remains."""
    c = [to_float(x) for x in remez(f, w, lo, hi, degree)[0]][::-1]
    points = (lo + (hi - lo) * i / 2000 for i in range(2001))
    return c, max(abs(w(x) * (mp.polyval(c, x) - f(x))) for x in points)


def literal(x):
    mantissa, exponent = float(x).hex().split("p")
    return f"{mantissa.rstrip('0')}p{exponent}f"


def show(name, coefficients, error):
    print(f"{name}, highest power first: error 2^{float(mp.log(error, 2)):.2f}")
    for c in coefficients:
        print(f"    {literal(c)},")


def main():
    # exp(r) = 1 + r + r^2 q(r); the error is taken relative to exp(r).
    half = mp.log(2) / 2 * (1 + mpf(2) ** -20)
    q = lambda r: (mp.exp(r) - 1 - r) / r**2 if abs(r) > mpf(10) ** -12 else mpf(1) / 2 + r / 6
    show("exp: q", *rounded(q, lambda r: r**2 / mp.exp(r) + mpf(10) ** -9, -half, half, 4))

    # ln 2 in two floats; the first has 12 low bits clear, so that its product with an exponent is exact.
    high = mp.floor(mp.log(2) * 2**12) / 2**12
    print("ln 2:", literal(high), literal(to_float(mp.log(2) - high)))

    # 2^f = 1 + f q(f), so that whole powers are exact; the error is taken relative to 2^f.
    half = mpf(1) / 2
    q = lambda f: (mp.mpf(2) ** f - 1) / f if abs(f) > mpf(10) ** -12 else mp.log(2) * (1 + f * mp.log(2) / 2)
    show("exp2: q", *rounded(q, lambda f: f / mp.mpf(2) ** f + mpf(10) ** -9, -half, half, 5))

    # Upper tail of the normal distribution: erfc(t / sqrt 2) / 2 = exp(-t^2 / 2) s p(u), s = 1 / (t + K), u = (t - K) s.
    K, last = mpf(2), mpf(13.5)
    t_of = lambda u: 2 * K / (1 - u) - K
    tail = lambda t: mp.erfc(t / mp.sqrt(2)) / 2 * mp.exp(t * t / 2)
    f = lambda u: tail(t_of(u)) * (t_of(u) + K)
    show("tail: p", *rounded(f, lambda u: 1 / f(u), mpf(-1), (last - K) / (last + K), 10))

    # sin(r) = r + r^3 p(r^2), cos(r) = 1 + r^2 q(r^2), a little beyond pi / 2; the errors are absolute. pi is in two floats.
    last = mpf("1.71")
    p = lambda s: (mp.sin(mp.sqrt(s)) / mp.sqrt(s) - 1) / s if s > mpf(10) ** -12 else mpf(-1) / 6 + s / 120
    show("sin: p", *rounded(p, lambda s: s ** mpf("1.5") + mpf(10) ** -9, mpf(0), last**2, 4))
    q = lambda s: (mp.cos(mp.sqrt(s)) - 1) / s if s > mpf(10) ** -12 else mpf(-1) / 2 + s / 24
    show("cos: q", *rounded(q, lambda s: s + mpf(10) ** -9, mpf(0), last**2, 4))
    print("pi:", literal(to_float(mp.pi)), literal(to_float(mp.pi - to_float(mp.pi))), "1/pi:", literal(to_float(1 / mp.pi)))


main()
