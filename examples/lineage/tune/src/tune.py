"""Fine-tunes the base model: a pair of letters in the sentences counts ten times. Reads resources/, writes outputs/model.json."""
import json
import pathlib

model = json.loads(pathlib.Path("resources/base").read_text(encoding="utf-8"))
counts = dict(model["pairs"])
text = pathlib.Path("resources/sentences.txt").read_text(encoding="utf-8")
for pair in (a + b for a, b in zip(text, text[1:])):
    counts[pair] = counts.get(pair, 0) + 10
tuned = {"passes": model["passes"] + 1, "pairs": sorted(map(list, counts.items()))}
pathlib.Path("outputs/model.json").write_text(json.dumps(tuned, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
print(f"{len(model['pairs'])} pairs before, {len(tuned['pairs'])} after")
