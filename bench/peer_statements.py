"""Reads a gzipped WeChat Pay bill the way most integrations do: gzip, csv, sums in Decimal."""

import csv
import gzip
import json
import sys
import time
from decimal import Decimal


def main() -> None:
    began = time.monotonic()
    lines = 0
    total = fee = Decimal(0)
    with gzip.open(sys.argv[1], "rt", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        amount_at, fee_at = header.index("订单金额"), header.index("手续费")
        for row in reader:
            if not row[0].startswith("`"):
                break
            total += Decimal(row[amount_at][1:])
            fee += Decimal(row[fee_at][1:])
            lines += 1
        summary = [value[1:] for value in next(reader)]
    if int(summary[0]) != lines or Decimal(summary[5]) != total or Decimal(summary[4]) != fee:
        sys.exit("the totals do not hold")
    print(json.dumps({"lines": lines, "seconds": round(time.monotonic() - began, 3)}))


main()
