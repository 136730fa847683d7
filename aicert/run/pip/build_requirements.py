# What does building these source distributions take? One requirement a line into the file named first, from each pyproject.toml;
# without one, and without a list in it, what pip takes then. Run by aicert with the step's interpreter, in the sandbox, isolated.
import posixpath
import sys
import tarfile
import zipfile

try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib

DEFAULT = ["setuptools>=40.8.0", "wheel"]
LARGEST = 1 << 20


def pyproject(path):
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as z:
            for info in z.infolist():
                if is_top(info.filename):
                    return z.open(info).read(LARGEST)
        return None
    with tarfile.open(path) as t:
        for info in t:
            if is_top(info.name) and info.isfile():
                return t.extractfile(info).read(LARGEST)
    return None


def is_top(name):
    parts = posixpath.normpath(name).split("/")
    return len(parts) == 2 and parts[1] == "pyproject.toml"


def needs(path):
    text = pyproject(path)
    system = tomllib.loads(text.decode()).get("build-system", {}) if text is not None else {}
    listed = system.get("requires", DEFAULT)
    # setuptools asks for wheel only while it builds.
    return listed + (["wheel"] if any(r.lower().startswith("setuptools") for r in listed) else [])


with open(sys.argv[1], "w", encoding="utf-8") as out:
    for line in sorted({r for path in sys.argv[2:] for r in needs(path)}):
        out.write(line.replace("\n", " ") + "\n")
