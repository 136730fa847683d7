"""The model with the least loss on the test lines; the first of equals."""
import json
import os
import shutil
import sys

folder, model, why = sys.argv[1:]
steps = sorted(name for name in os.listdir(folder) if name.startswith("eval-"))
measured = {name[len("eval-"):]: json.load(open(os.path.join(folder, name, "metrics.json"))) for name in steps}
best = min(sorted(measured), key=lambda seed: measured[seed]["loss"])
shutil.copyfile(os.path.join(folder, "train-" + best, "model.json"), model)
with open(why, "w") as file:
    json.dump({"seed": best, "measured": measured}, file, indent=1)
print(f"seed {best} of {', '.join(measured)}")
