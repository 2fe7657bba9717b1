"""What has become slower than noise allows, or fails more often."""
from compare import statistics, units


def regressions(rows, pairing, labels, *, band, errors, missing):
    """Sentences that name each test of rows (first: new, second: baseline) that takes longer than the baseline by more
    than its limit, or in which fewer attempts succeeded; with missing also each of the baseline's that was not
    measured."""
    found = []
    for row in rows:
        slower = 1 / row.comparison.speedup - 1
        limit = statistics.slowdown_limit(row.comparison, band, errors)
        if slower > limit:
            new, old = (units.shown(test.mean, test.unit) for test in row.tests)
            found.append(f"{row.name} is {100 * slower:.1f} % worse: {old} in {labels[1]}, {new} in {labels[0]}; "
                         f"allowed are {100 * limit:.1f} %")
        successes = [100 * test.success for test in row.tests]
        if successes[0] < successes[1]:
            found.append(f"{row.name} succeeded in {successes[1]:.0f} % of the attempts in {labels[1]}, in "
                         f"{successes[0]:.0f} % in {labels[0]}")
    if missing:
        found += [f"{name} is in {labels[1]} and was not measured in {labels[0]}" for name in pairing.only_in(1)]
    return found
