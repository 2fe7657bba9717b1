"""How much faster, how sure that is, and what follows from it.

Of two means the ratio is taken, so the error of each is relative: deviation / (mean * sqrt(count)). The logarithm of
the ratio has the root of the sum of their squares as its standard error (the delta method), and is held against
Student's t with the degrees of freedom of Welch and Satterthwaite (B. L. Welch, Biometrika 34, 1947), which does not
ask that both vary alike. So the result is the same for times and for rates, and exchanging the two turns it round.
"""
import math
from dataclasses import dataclass

SIGNIFICANT = 0.05
CONFIDENCE = 0.95


@dataclass
class Comparison:
    """Of a first measurement with a second."""
    speedup: float          # above 1: the first is better
    error: float            # standard error of the speed-up, relative; of a file without counts the deviation
    low: float = None       # interval that holds the speed-up with CONFIDENCE; None: too few samples are told
    high: float = None
    p: float = None         # how likely a difference as large is if there is none


def _beta_fraction(a, b, x):
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / ((1 - (a + b) * x / (a + 1)) or tiny)
    result = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            result *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return result


def incomplete_beta(a, b, x):
    """I_x(a, b), regularised, for x from 0 to 1."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):   # where the fraction converges fast
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, 1 - x) / b


def student_p(t, freedom):
    """How likely |t| or more is, on both sides."""
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def student_t(p, freedom):
    """The t of which student_p is p."""
    low, high = 0.0, 1.0
    while student_p(high, freedom) > p:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, freedom) > p else (low, middle)
    return high


def _relative_error(test):
    """Of a mean; without a count the deviation stands for it, as of one sample."""
    return (test.deviation or 0.0) / test.mean / math.sqrt(test.count or 1)


def compare(first, second, rate):
    """Two tests with mean, deviation and count; rate: more is better."""
    speedup = first.mean / second.mean if rate else second.mean / first.mean
    errors = [_relative_error(test) for test in (first, second)]
    result = Comparison(speedup, math.hypot(*errors))
    counts = [test.count or 0 for test in (first, second)]
    if min(counts) < 2 or first.deviation is None or second.deviation is None:
        return result
    if result.error < 1e-12:    # no noise at all
        result.low = result.high = speedup
        result.p = 1.0 if abs(speedup - 1) < 1e-9 else 0.0
        return result
    freedom = result.error**4 / sum(e**4 / (n - 1) for e, n in zip(errors, counts))
    wide = math.exp(min(50.0, student_t(1 - CONFIDENCE, freedom) * result.error))
    result.low, result.high = speedup / wide, speedup * wide
    result.p = student_p(math.log(speedup) / result.error, freedom)
    return result


def verdict(comparison, band):
    """1 or 2 for the one that is faster; 'equal' within the band; 'unclear' where noise may explain it."""
    if 1 / (1 + band) <= comparison.speedup <= 1 + band:
        return "equal"
    if comparison.p is not None and comparison.p > SIGNIFICANT:
        return "unclear"
    return 1 if comparison.speedup > 1 else 2


def slowdown_limit(comparison, band, errors):
    """How much more time a test may take before it counts as slower: the band, or more where it is noisy."""
    return max(band, errors * comparison.error)


def geometric_mean(values):
    return math.exp(math.fsum(map(math.log, values)) / len(values))
