# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the test machines: Debian 13 with SELinux, booted once and saved in the state of a ready shell.

`python3 image.py [everyday | server]` builds one of recipes.py, or says where it is. An image is a folder in the cache,
named after the hash of everything that went into it: root.img (raw ext4, labelled), ready.qcow2 (an overlay with the
saved state), vmlinuz, initrd, and what policy.py keeps.
Needs root. Nothing here names a mirror: the machine's own apt settings do.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import channel
import domains
import policy
import qemu
from recipes import EVERYDAY, RECIPES, Recipe

HERE = Path(__file__).resolve().parent
STEPS = ("image.py", "qemu.py", "domains.py", "policy.py", "guest/agent.py", "guest/agent.service", "guest/peer.py")
SUITE = "trixie"
FIRST_BOOT_SECONDS = 600.0  # 40 to 75 s on an idle machine
KEPT_IMAGES = 2  # of each recipe

INITRAMFS_HOOK = (
    'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"; '
    'echo MODULES=list > "$1/etc/initramfs-tools/conf.d/secmarkd"; '
    "printf '%s\\n' virtio_pci virtio_blk virtio_console ext4 > \"$1/usr/share/initramfs-tools/modules.d/secmarkd\""
)
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    qemu.QEMU: "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mkfs.ext4": "e2fsprogs",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}


class ImageError(Exception):
    """The image cannot be built; the text is a sentence for the user."""


def cache() -> Path:
    return Path(os.environ.get("SECMARKD_VM_CACHE") or "/var/cache/secmarkd-vm")


def missing() -> str | None:
    """Why no image can be built or run here, as a sentence; None when it can."""
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            return f"the test machine needs {tool}: apt-get install {package}"
    if os.geteuid() != 0:
        return "the test machine is built and run by root"
    return None


def key(recipe: Recipe) -> str:
    """The name of a recipe's image: the hash of the recipe, of the files that carry it out and of QEMU's version."""
    digest = hashlib.sha256(f"{qemu.version()}\0{recipe}".encode())
    for name in STEPS:
        digest.update(b"\0" + (HERE / name).read_bytes())
    return f"{recipe.name}-{digest.hexdigest()[:16]}"


def mirror() -> str:
    """The Debian archive that this machine installs from, as a URI; never the security archive, which has other paths."""
    wanted = "$(CREATED_BY) $(COMPONENT) $(REPO_URI)"
    for line in qemu.run_quiet(["apt-get", "indextargets", "--format", wanted]).splitlines():
        kind, component, uri = line.split(" ", 2)
        if kind == "Packages" and component == "main" and urlsplit(uri).path.rstrip("/").endswith("/debian"):
            return uri
    raise ImageError(
        "apt's settings name no Debian archive (a URI that ends in /debian): run apt-get update, or add one"
    )


class Progress:
    """Lines on stderr with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start

    def __call__(self, text: str) -> None:
        print(f"[{self.elapsed:6.1f} s] {text}", file=sys.stderr, flush=True)


@contextmanager
def locked(folder: Path, say: Progress) -> Iterator[None]:
    """Hold the cache's lock: one builder at a time, the others wait and then find the image."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another builder in {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(recipe: Recipe = EVERYDAY) -> Path:
    """The folder of the image of a recipe, built now if need be (minutes). ImageError, QemuError."""
    if reason := missing():
        raise ImageError(reason)
    image = cache() / key(recipe)
    if image.is_dir():
        os.utime(image)  # used: kept when others are pruned
        return image
    say = Progress()
    with locked(cache(), say):
        if not image.is_dir():
            for stale in cache().glob(".build-*"):
                shutil.rmtree(stale)
            work = Path(tempfile.mkdtemp(prefix=".build-", dir=cache()))
            work.chmod(0o755)
            try:
                build(recipe, work, say)
                work.rename(image)
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
            prune(recipe, image)
            say(f"built {image}: total {say.elapsed:.0f} s")
    return image


def prune(recipe: Recipe, newest: Path) -> None:
    """Remove a recipe's old images but the last few; machines that run from one keep its open files."""
    images = [path for path in cache().glob(f"{recipe.name}-*") if path.is_dir() and path != newest]
    images.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in images[KEPT_IMAGES - 1 :]:
        shutil.rmtree(path)


def build(recipe: Recipe, work: Path, say: Progress) -> None:
    """Fill `work` with an image's files."""
    root = work / "root"
    say(f"installing Debian {SUITE} into {root}")
    qemu.run_quiet(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(recipe.packages)}"),
            *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
            f"--essential-hook={INITRAMFS_HOOK}",
            *(SUITE, str(root), f"deb {mirror()} {SUITE} main"),
        ]
    )
    say("configuring")
    configure(recipe, root)
    say("adding the test domains to the policy")
    install_policy(root, work)
    say("labelling")
    contexts = "/etc/selinux/default/contexts/files/file_contexts"
    inside(root, ["setfiles", "-F", "-e", "/proc", "-e", "/sys", "-e", "/dev", contexts, "/"])
    say("making the file system")
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), work / "vmlinuz")
    shutil.copy(next((root / "boot").glob("initrd.img-*")), work / "initrd")
    # without a journal: nothing outlives the machine
    options = ["-q", "-O", "^has_journal", "-m", "0", "-E", "lazy_itable_init=1", "-d", str(root)]
    qemu.run_quiet(["mkfs.ext4", *options, str(work / "root.img"), recipe.disk])
    shutil.rmtree(root)
    say("first boot")
    first_boot(recipe, work, say)


def inside(root: Path, command: Sequence[str]) -> str:
    """Run a command in the root file system, with /proc there while it runs; its standard output."""
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    return qemu.run_quiet(["unshare", "--mount", "sh", "-c", script, str(root), *command])


def configure(recipe: Recipe, root: Path) -> None:
    for name, text in recipe.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    agent = root / "usr/local/lib/secmarkd-vm"
    agent.mkdir(parents=True)
    for name in ("agent.py", "peer.py"):
        shutil.copy(HERE / "guest" / name, agent / name)
    shutil.copy(HERE / "guest/agent.service", root / "etc/systemd/system/secmarkd-vm-agent.service")
    for unit in recipe.masked:
        mask = root / "etc/systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    inside(root, ["systemctl", "--quiet", "enable", "auditd.service", "secmarkd-vm-agent.service"])
    installed = [unit for unit in recipe.disabled if (root / "usr/lib/systemd/system" / unit).exists()]
    inside(root, ["systemctl", "--quiet", "disable", *installed, *unasked(recipe, root)])
    if recipe.enabled is not None:
        for link in root.glob("etc/rc[S2345].d/S*"):  # services without a unit of their own
            link.unlink()
    auditd = root / "etc/audit/auditd.conf"
    # the agent follows one file by its size
    auditd.write_text(auditd.read_text().replace("max_log_file_action = ROTATE", "max_log_file_action = IGNORE"))
    with (root / "etc/selinux/semanage.conf").open("a") as conf:
        conf.write("\nexpand-check=0\n")  # tests trust their modules; neverallow checks take long under emulation


def unasked(recipe: Recipe, root: Path) -> list[str]:
    """The units that packages enabled and the recipe does not want started."""
    if recipe.enabled is None:
        return []
    listing = inside(root, "systemctl list-unit-files --state=enabled --no-legend --plain --no-pager".split())
    return [unit for line in listing.splitlines() if (unit := line.split()[0]) not in recipe.enabled]


def install_policy(root: Path, work: Path) -> None:
    """Add the preloaded domains, here, where it takes seconds and not the guest's minute."""
    installed = next((root / "etc/selinux/default/policy").glob("policy.*"))
    script = "import setools, sys; print(*sorted(map(str, setools.SELinuxPolicy(sys.argv[1]).classes())))"
    classes = inside(root, ["python3", "-c", script, f"/{installed.relative_to(root)}"]).split()
    folder = root / "usr/local/lib/secmarkd-vm/policy"
    folder.mkdir()
    modules = domains.preloaded(classes)
    for name, text in modules.items():
        (folder / f"{name}.cil").write_text(text)
    paths = [f"/{folder.relative_to(root)}/{name}.cil" for name in modules]
    inside(root, ["semodule", "-s", "default", "-N", *(word for path in paths for word in ("-i", path))])
    policy.keep(root, work, modules)


def first_boot(recipe: Recipe, work: Path, say: Progress) -> None:
    """Boot, wait until systemd has nothing more to start, save the state."""
    disk = work / "ready.qcow2"
    qemu.run_quiet(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "root.img", "-F", "raw", str(disk)])
    with tempfile.TemporaryDirectory(prefix="secmarkd-vm-") as folder:
        machine = qemu.Qemu(Path(folder), work, disk, memory=recipe.memory)
        try:
            guest = channel.Channel(machine.connect(machine.agent_socket))
            try:
                guest.ask("hello", secrets.token_bytes(64), now=time.time(), timeout=FIRST_BOOT_SECONDS)
                say("the agent answers; waiting for the end of the boot")
                wait = "systemctl is-system-running --wait; systemctl --failed --no-legend --plain; getenforce; sync"
                reply = guest.ask("run", cmd=wait, timeout=FIRST_BOOT_SECONDS, limit=None)
                guest.ask("clock", source=qemu.SAVED_CLOCK, timeout=FIRST_BOOT_SECONDS)
            except TimeoutError:
                raise ImageError(f"no answer from the machine; {machine.last_words()}") from None
            say("the machine says: " + " ".join(reply.payload.decode().split()))
            machine.monitor.execute("stop")
            machine.monitor.human(f"savevm {qemu.READY}")
            guest.close()
        finally:
            machine.stop()
    say(f"saved; state {mebibytes(disk)} MiB, file system {mebibytes(work / 'root.img')} MiB")


def mebibytes(path: Path) -> int:
    """What a sparse file takes on the disk."""
    return path.stat().st_blocks * 512 >> 20


def main(arguments: Sequence[str]) -> int:
    name, *more = arguments or [EVERYDAY.name]
    if more or name not in RECIPES:
        print(f"usage: image.py [{' | '.join(RECIPES)}]", file=sys.stderr)
        return 2
    try:
        print(ensure(RECIPES[name]))
    except (ImageError, qemu.QemuError, OSError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
