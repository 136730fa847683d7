"""Splits a text into words, and its lines into those to train on and those to test with."""
import json
import sys
import zlib

corpus, train, test, vocabulary = sys.argv[1:]
lines = [line.lower().split() for line in open(corpus, encoding="utf-8") if line.strip()]
words = sorted({word for line in lines for word in line})
number = {word: i for i, word in enumerate(words)}
held_out = [zlib.crc32(" ".join(line).encode()) % 5 == 0 for line in lines]


def save(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False)


save(vocabulary, words)
save(train, {"words": len(words), "lines": [[number[w] for w in line] for line, out in zip(lines, held_out) if not out]})
save(test, {"words": len(words), "lines": [[number[w] for w in line] for line, out in zip(lines, held_out) if out]})
print(f"{len(words)} words, {sum(not h for h in held_out)} lines to train on, {sum(held_out)} to test with")
