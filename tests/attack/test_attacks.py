"""The attack suite: a program that plays the malicious step makes every attack of attacks.h through the built command.

As root and as a user, in the host environment and in an image. Each attack must be refused or without effect, which its own line says, and the machine outside
must be as it was: that is looked at from here. The same program without a sandbox shows that its attacks are real, and under bubblewrap that we
confine what others confine.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import shutil
import subprocess

import pytest
from attack.ground import ATTACKS, CONTEXTS, ROOT_ONLY, SECRET, USER, Builder, Machine, join_session, unused_uid

LINE = re.compile(r"^(\w+): .*: (refused|without effect|HARMED|UNCLEAR) \((.*)\)$", re.M)

pytestmark = ROOT_ONLY


# --- every attack of attacks.h ------------------------------------------------------------------------

def read_report(text):
    report = {name: (how, detail) for name, how, detail in LINE.findall(text)}
    missing = set(ATTACKS) - set(report)
    assert not missing, f"not made: {sorted(missing)}\n{text}"
    return report


class Raid:
    """All attacks once in one context, and what was there afterwards."""

    def __init__(self, ground, name, uid, environment):
        self.machine = Machine(ground / f"{name}-machine", unused_uid() if uid == 0 else uid)
        self.builder = b = Builder(ground, name, uid, environment)
        targets = " ".join(f"'{t}'" for t in self.machine.targets("$G", "$OUT_OUT", b.home / "aicert")).replace("'input=$G'", '"input=$IN_GIVEN"')
        targets = targets.replace("'outputs=$OUT_OUT'", '"outputs=$OUT_OUT"')
        fds = [os.open(self.machine.secret, os.O_RDONLY), os.open(self.machine.folder, os.O_RDONLY), self.machine.tcp.fileno()]
        fds.append(fds and os.dup2(fds[0], 700, inheritable=True))
        self.before = self.machine.state()
        self.result = b.run(f'mkdir -p "$OUT_OUT"; "$IN_TOOLS/attacker" {targets} || true; echo done > "$OUT_OUT/done"', pass_fds=fds, preexec_fn=join_session,
                            env={"GITHUB_TOKEN": SECRET, "ATTACK_SECRET": SECRET, "LC_SECRET": SECRET})
        for fd in (fds[0], fds[1], fds[3]):
            os.close(fd)
        self.text = b.logs()
        self.report = read_report(self.text or self.result.stdout + self.result.stderr)


@pytest.fixture(scope="session")
def raids(ground):
    made = {}

    def get(context):
        if context not in made:
            made[context] = Raid(ground, context, *CONTEXTS[context])
        return made[context]
    yield get
    for r in made.values():
        r.machine.close()


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(raids, context, attack):
    how, detail = raids(context).report[attack]
    print(f"{context}: {attack}: {ATTACKS[attack]}: {how} ({detail})")
    assert how in ("refused", "without effect"), f"{ATTACKS[attack]}: {how} ({detail})"


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_machine_is_as_it_was(raids, context):
    raid = raids(context)
    after = raid.machine.state()
    for what, before in raid.before.items():
        assert after[what] == before, f"{what} changed"
    assert raid.machine.visitors() == []
    assert SECRET not in raid.text and SECRET not in raid.result.stdout + raid.result.stderr
    assert raid.result.returncode == 0, raid.result.stderr
    raid.builder.store_is_sound()
    raid.builder.nothing_left()


# --- the same attacks without us ----------------------------------------------------------------------

class Other:
    """The attacker as a user, started by somebody else: nobody (no sandbox at all), or bubblewrap. A fresh input for each attack."""

    def __init__(self, ground, name, wrap):
        self.machine = Machine(ground / f"{name}-machine", USER + 1)
        self.home, text = ground / name, ""
        for d in (self.home, self.home / "out", self.home / "data", self.home / "data/tpm", self.home / "cache"):
            d.mkdir()
        for d in self.home, self.home / "out":
            os.chown(d, USER + 1, USER + 1)
        for attack in ATTACKS:
            given = self.home / f"given-{attack}"
            (given / "sub").mkdir(parents=True)
            (given / "data").write_text("data")
            (given / "sub/more").write_text("more")
            for p in [given, *given.rglob("*")]:
                os.chown(p, USER + 1, USER + 1)
            r = subprocess.run([*wrap(self), ground / "attacker", *self.machine.targets(given, self.home / "out", self.home), attack], user=USER + 1, group=USER + 1,
                               extra_groups=[], cwd="/", capture_output=True, text=True, errors="replace", env={"PATH": os.environ["PATH"], "ATTACK_SECRET": SECRET},
                               preexec_fn=join_session, pass_fds=[self.machine.tcp.fileno()], stdin=subprocess.DEVNULL, timeout=60)
            text += r.stdout or r.stderr
        self.report = read_report(text)


@pytest.fixture(scope="session")
def bare(ground):
    other = Other(ground, "bare", lambda _: [])
    yield other
    other.machine.close()


# What an ordinary user of an ordinary machine can do at will: where it did not succeed outside, it would show nothing inside.
REAL = """net_inet net_inet6 net_udp net_unix_path net_unix_abstract net_netlink_other net_families file_absolute file_dotdot file_proc_self_root
    file_proc_others file_store file_tpm file_descriptors file_environment file_write file_machine_secrets input_write input_reopen input_truncate
    input_mode input_times input_xattr input_unlink input_rename input_link input_lease input_folder proc_signal proc_seen proc_core proc_capabilities
    sys_device_list sys_keys sys_ldt sys_personality sys_int80 sys_proc_read sys_ipc""".split()


def test_the_attacks_are_real(bare):
    for attack in ATTACKS:
        print(f"unconfined: {attack}: {' '.join(bare.report[attack])}")
    assert not [(a, bare.report[a]) for a in REAL if bare.report[a][0] != "HARMED"]
    assert {"tcp", "tcp6", "unix", "named", "udp"} <= set(bare.machine.visitors())
    assert bare.machine.victim.wait(10) == -9


@pytest.fixture(scope="session")
def wrapped(ground):
    if not shutil.which("bwrap"):
        pytest.skip("bwrap is not installed")
    other = Other(ground, "wrapped", lambda o: ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/", "/", "--dev", "/dev",
                                                "--proc", "/proc", "--tmpfs", "/dev/shm", "--bind", o.home / "out", o.home / "out"])
    yield other
    other.machine.close()


@pytest.mark.parametrize("context", CONTEXTS)
def test_where_bubblewrap_confines_we_confine(raids, wrapped, context):
    ours, theirs = raids(context).report, wrapped.report
    for attack in ATTACKS:
        print(f"{attack}: bwrap: {' '.join(theirs[attack])}; {context}: {' '.join(ours[attack])}")
    good = ("refused", "without effect")
    assert not [a for a in ATTACKS if theirs[a][0] in good and ours[a][0] not in good]
    # A comparison with something that does not confine would say nothing.
    assert len([a for a in ATTACKS if theirs[a][0] in good]) > len(ATTACKS) / 2
    assert wrapped.machine.visitors() in ([], ["unix"]) and wrapped.machine.victim.poll() is None
