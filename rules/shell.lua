-- shell: run a script. Inputs and outputs arrive as $IN_<NAME> and $OUT_<NAME>; nothing of the caller's environment does.

return rule {
  name = "shell",
  doc = "Run a shell script over its inputs, without a network. It stops at the first command that fails.",
  example = [[
inputs:
  corpus: { path: corpus.txt }
steps:
  count:
    use: shell
    inputs: { corpus: corpus }
    script: wc -w < "$IN_CORPUS" > "$OUT_WORDS"
    outputs: { words: words.txt }
]],

  attrs = {
    script  = attr.lines { alias = "commands", doc = "the script, or a list of its lines" },
    source  = attr.artifact { optional = true, at = "src", only = "dir", doc = "a folder or repository, writable scratch at src" },
    inputs  = attr.map(attr.artifact) { default = {}, under = "resources", alias = "resources", doc = "files and folders, read-only in resources/" },
    env     = attr.env { default = {}, doc = "variables, over the fixed environment" },
    outputs = attr.outputs { doc = "what is kept: a folder, or names and paths in outputs/" },
  },

  plan = function(a, out)
    local env = copy(a.env)
    local function set(name, artifact)
      if env[name] then error("two things would be called $" .. name .. ": rename one", 1) end
      env[name] = artifact
    end
    for name, artifact in sorted(a.inputs) do set("IN_" .. upper(name), artifact) end
    for name, artifact in sorted(out) do set("OUT_" .. upper(name), artifact) end
    return action.run {
      argv = { "sh", "-eu", "-c", a.script },
      env = env,
      inputs = { a.source },
    }
  end,
}
