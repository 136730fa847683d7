# Is what this requirements.txt (the file named first, else standard input) asks for installed? Prints one line for each thing that is not; exit 1 then.
# Run by aicert with the step's own interpreter, isolated. `packaging` is used where the host has it, in any of its usual
# places; without it only plain comparisons of release numbers are understood, and anything else counts as not satisfied.
import importlib.metadata
import re
import sys


def packaging():
    for name in ("packaging", "pip._vendor.packaging", "setuptools.extern.packaging", "pkg_resources.extern.packaging"):
        try:
            __import__(name + ".requirements")
            return sys.modules[name + ".requirements"]
        except Exception:
            continue
    return None


def release(text):
    return tuple(int(n) for n in re.findall(r"\d+", re.match(r"[0-9.]*", text).group()))


def plain_match(installed, spec):
    m = re.fullmatch(r"\s*(==|>=|<=|!=|<|>)\s*([0-9][0-9.]*)\s*", spec)
    if not m:
        return False
    a, b = release(installed), release(m.group(2))
    width = max(len(a), len(b))
    a, b = (v + (0,) * (width - len(v)) for v in (a, b))
    return {"==": a == b, ">=": a >= b, "<=": a <= b, "!=": a != b, "<": a < b, ">": a > b}[m.group(1)]


def check_plain(line):
    m = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*([^;\[@]*)", line)
    if not m:
        return "cannot be checked without the 'packaging' module"
    try:
        installed = importlib.metadata.version(m.group(1))
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
    specs = [s for s in m.group(2).split(",") if s.strip()]
    return None if all(plain_match(installed, s) for s in specs) else "installed is " + installed


def check_with(module, line):
    try:
        r = module.Requirement(line)
    except Exception as e:
        return "is not a requirement: " + str(e).splitlines()[0]
    if r.marker and not r.marker.evaluate({"extra": ""}):
        return None
    if r.url:
        return "asks for a URL, which the host environment cannot satisfy"
    try:
        installed = importlib.metadata.version(r.name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
    return None if r.specifier.contains(installed, prereleases=True) else "installed is " + installed


def lines(text):
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if line:
            yield line


def main():
    module, bad = packaging(), 0
    with open(sys.argv[1], "rb") if len(sys.argv) > 1 else sys.stdin.buffer as f:
        text = f.read().decode("utf-8-sig")
    for line in lines(text):
        if line.startswith("-") or re.search(r"\s--", line):
            fault = "options are not honoured in the host environment"
        else:
            fault = check_with(module, line) if module else check_plain(line)
        if fault:
            bad += 1
            print(f"{line}: {fault}")
    return 1 if bad else 0


sys.exit(main())
