"""Prints how many tests of a report passed and failed: `count_tests.py xunit FILE…` or `count_tests.py tap LOG`."""

import re
import sys
import xml.etree.ElementTree as ElementTree


def xunit(paths):
    """Counts the test cases of xUnit files; a file that cannot be read counts nothing."""
    passed = failed = 0
    for path in paths:
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError):
            continue
        bad = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
        skipped = sum(case.find("skipped") is not None for case in cases)
        passed += len(cases) - bad - skipped
        failed += bad
    return passed, failed


def tap(paths):
    """Counts the subtests that pg_prove reports on."""
    with open(paths[0], encoding="utf-8", errors="replace") as log:
        text = log.read()
    total = sum(int(count) for count in re.findall(r"^Files=\d+, Tests=(\d+)", text, re.MULTILINE))
    bad = sum(int(count) for count in re.findall(r"Failed (\d+)/\d+ subtests", text))
    return max(total - bad, 0), bad


if __name__ == "__main__":
    print(*{"xunit": xunit, "tap": tap}[sys.argv[1]](sys.argv[2:]))
