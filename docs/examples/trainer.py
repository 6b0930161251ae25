#!/usr/bin/env python3
"""A whole trainer for Bellwether, without any library: the rate of each value of one column.

Contract: executor: { command: [ python3, trainer.py ], format: csv, parameters: { column: country } }
"""
import csv
import json
import os
import sys


def main():
    _, _, spec_path, _, output = sys.argv[1:]  # run --spec FILE --output FOLDER
    with open(spec_path) as file:
        spec = json.load(file)
    column = spec["parameters"].get("column")
    if column not in {known["name"] for known in spec["columns"]}:
        print(json.dumps({"type": "error", "message": f"there is no column {column}"}))
        sys.exit(2)  # the same would come out again
    event_id, label = spec["event_id"], spec["label"]

    def rows(part):
        with open(spec["data"][part]["path"], newline="") as file:
            yield from csv.DictReader(file)

    counts = {}
    for row in rows("train"):
        seen, positive = counts.get(row[column], (0, 0))
        counts[row[column]] = (seen + 1, positive + (row[label] == "true"))
    total, positives = map(sum, zip(*counts.values()))

    def rate(seen, positive):
        # Rare values lean on the whole.
        return (positive + 20 * positives / total) / (seen + 20)

    def write_scores(name, scores):
        with open(os.path.join(output, name), "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([event_id, "score"])
            writer.writerows(scores)

    write_scores("held_out_scores.csv", ((row[event_id], rate(*counts.get(row[column], (0, 0)))) for row in rows("held_out")))
    # Each training row by the others alone: out of fold.
    write_scores("training_scores.csv", (
        (row[event_id], rate(counts[row[column]][0] - 1, counts[row[column]][1] - (row[label] == "true"))) for row in rows("train")))
    with open(os.path.join(output, "model.json"), "w") as file:
        json.dump({"column": column, "rates": {value: rate(*count) for value, count in sorted(counts.items())}}, file)
    with open(os.path.join(output, "metrics.json"), "w") as file:
        json.dump({"rows": total, "rate": positives / total}, file)
    print(json.dumps({"type": "done"}))


main()
