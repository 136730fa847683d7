"""The loss of a model on lines that it has not seen."""
import json
import math
import sys

model, test, metrics = sys.argv[1:]
model, test = json.load(open(model)), json.load(open(test))
pairs = [pair for line in test["lines"] for pair in zip(line, line[1:])]
loss = hits = 0
for x, y in pairs:
    scores = [sum(l * r for l, r in zip(model["left"][x], row)) for row in model["right"]]
    top = max(scores)
    loss += top + math.log(sum(math.exp(s - top) for s in scores)) - scores[y]
    hits += scores.index(top) == y
with open(metrics, "w") as file:
    json.dump({"loss": round(loss / len(pairs), 6), "accuracy": round(hits / len(pairs), 6), "pairs": len(pairs)}, file, indent=1)
