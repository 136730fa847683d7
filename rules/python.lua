-- python: run one program with the Python of the step's environment.
--
-- The program's repository stands at src, its resources in resources/, and what it leaves in outputs/ is the result.
-- requirements.txt is not looked at here: the run checks it against the environment before it starts.

return rule {
  name = "python",
  doc = "Run a Python program over its source and resources, without a network.",

  attrs = {
    source    = attr.artifact { at = "src", only = "dir", doc = "the folder or repository that holds the program" },
    entry     = attr.path { default = "main.py", alias = "pythonEntryPoint", doc = "the program, inside source" },
    version   = attr.version { optional = true, parts = 2, alias = "pythonVersion", doc = "3.11, or 11 for short; any Python 3 if left out" },
    resources = attr.list(attr.artifact) { default = {}, under = "resources", alias = "inputs", doc = "data and models, read-only in resources/" },
    args      = attr.list(attr.template) { default = {}, doc = "arguments; ${input}, ${step.output} and ${out.name} are paths" },
    env       = attr.env { default = {}, doc = "variables, over the fixed environment" },
    outputs   = attr.outputs { doc = "what is kept: a folder, or names and paths in outputs/" },
  },

  plan = function(a, out)
    local python = "python3"
    if a.version and a.version:find(".") then
      python = "python" .. a.version
    elseif a.version and a.version ~= "3" then
      python = "python3." .. a.version
    end
    return action.run {
      argv = { python, "src/" .. a.entry, a.args },
      env = a.env,
      inputs = { a.source, a.resources },
    }
  end,
}
