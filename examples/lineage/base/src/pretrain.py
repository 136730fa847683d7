"""Pre-trains a model of letters: how often each one follows another. Reads resources/text.txt, writes outputs/model.json."""
import collections
import json
import pathlib

text = pathlib.Path("resources/text.txt").read_text(encoding="utf-8")
counts = collections.Counter(zip(text, text[1:]))
model = {"passes": 1, "pairs": sorted([a + b, n] for (a, b), n in counts.items())}
pathlib.Path("outputs/model.json").write_text(json.dumps(model, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
print(f"{len(model['pairs'])} pairs of letters learnt from {len(text)} letters")
