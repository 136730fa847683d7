-- quantize: weights as whole numbers of a few bits, and how much that loses, carried in the proof.
--
-- The program is part of the rule: it is written into the step's workspace, so whoever changes it runs the step again.

local program = [[
import json, sys
source, bits, to, report = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
weights = json.load(open(source))
top = max(abs(w) for w in weights) or 1
most = 2 ** (bits - 1) - 1
small = [round(w / top * most) for w in weights]
worst = max(abs(w - s * top / most) for w, s in zip(weights, small))
json.dump({"bits": bits, "scale": top / most, "weights": small}, open(to, "w"))
json.dump({"weights": len(weights), "largest error": round(worst, 6)}, open(report, "w"))
]]

return rule {
  name = "quantize",
  doc = "Turn a list of weights into whole numbers of a few bits.",
  example = [[
inputs:
  weights: { path: weights }
steps:
  small: { use: quantize, weights: weights, bits: 4 }
]],

  attrs = {
    weights = attr.artifact { only = "dir", doc = "a folder with the weights" },
    file    = attr.path { default = "weights.json", doc = "the file in it: a JSON list of numbers" },
    bits    = attr.integer { default = 8, min = 2, max = 16, doc = "how many bits a weight gets" },
  },

  outputs = { weights = { type = "file", path = "weights.json" }, report = { type = "file", path = "report.json", carried = true } },

  plan = function(a, out)
    local tool = temporary "quantize.py"
    return {
      action.write { path = tool, text = program },
      action.run { argv = { "python3", "-I", tool, a.weights / a.file, a.bits, out.weights, out.report } },
    }
  end,
}
