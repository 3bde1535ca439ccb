#!/usr/bin/env python3
"""Compares a corpus check's results with the list of what has to pass.

usage: gate.py [--grow] NAME=RESULTS.json ...

RESULTS.json is a list of rows with model, mode and verdict ("ok" where it passes); NAME stands before the model in passing.txt, one
`NAME/model mode` a line. Exit status 1 where a listed row does not pass. With --grow, rows that newly pass are added; none is ever removed.
"""
import json, os, sys

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "passing.txt")


def main():
    arguments = sys.argv[1:]
    grow = "--grow" in arguments
    listed = set(open(LIST).read().splitlines()) if os.path.exists(LIST) else set()
    verdicts = {}
    for argument in arguments:
        if argument == "--grow": continue
        name, path = argument.split("=", 1)
        verdicts |= {f"{name}/{row['model']} {row['mode']}": row["verdict"] for row in json.load(open(path))}
    passing = {row for row, verdict in verdicts.items() if verdict == "ok"}
    for row in sorted(listed - passing):
        print(f"FAILED {row}: {verdicts.get(row, 'was not checked')}")
    new = passing - listed
    if grow:
        open(LIST, "w").write("".join(row + "\n" for row in sorted(listed | passing)))
    print(f"{len(listed & passing)} of {len(listed)} listed rows pass, {len(new)} pass beyond the list{', now listed' if grow and new else ''}")
    return 1 if listed - passing else 0


if __name__ == "__main__":
    sys.exit(main())
