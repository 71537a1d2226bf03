# SPDX-License-Identifier: GPL-2.0-or-later
"""Services of the server machine, and the other host on its cable.

This host is 192.0.2.1 and 2001:db8::1. The network namespace `peer` is another host, 192.0.2.2 and 2001:db8::2, whose
programs run unconfined; it has no labels. It answers questions of DNS for example.org and for its network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelling import SLOW, cable
from talking import inside

if TYPE_CHECKING:
    from audit import Denial
    from machine import Completed, Machine

HOST, PEER = "192.0.2.1", "192.0.2.2"
INSTALL_SECONDS = 600.0
START_SECONDS = 300.0
"""What the start of a service may take: a database half a minute under emulation, a busy host three times as long."""
QUERY_SECONDS = 60.0
HEARD_SECONDS = 90.0

RESOLVED = f"""[Resolve]
DNS={PEER}
FallbackDNS=
Domains=~.
DNSSEC=no
MulticastDNS=no
"""
SAMBA = """[global]
workgroup = LAB
netbios name = LABSERVER
server role = standalone server
interfaces = 192.0.2.0/24
map to guest = Bad User
hostname lookups = yes
load printers = no
printing = bsd
printcap name = /dev/null
[public]
path = /srv
guest ok = yes
"""
MARIADB = """[mariadbd]
bind-address = 0.0.0.0
innodb-buffer-pool-size = 16M
performance-schema = off
"""
DNS_OF_PEER = (
    "dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --interface=host --user=root "
    f"--pid-file=/run/dnsmasq-peer.pid --host-record=www.example.org,{PEER} --host-record=peer.example.org,{PEER}"
)
AVAHI_OF_PEER = "[server]\nhost-name=other\nuse-ipv6=no\nenable-dbus=no\nallow-interfaces=host\n"


def prepare(vm: Machine) -> None:
    """Cable, configuration, and the other host's services. No service of this host is started."""
    cable(vm, "", "peer", "192.0.2")
    vm.put(RESOLVED, "/etc/systemd/resolved.conf.d/lab.conf")
    vm.put(SAMBA, "/etc/samba/smb.conf")
    vm.put(MARIADB, "/etc/mysql/mariadb.conf.d/99-lab.cnf")
    vm.put(AVAHI_OF_PEER, "/root/avahi-peer.conf")
    vm.run(
        "mkdir -p /run/avahi-daemon /srv && restorecon -RF /etc/systemd /etc/samba /etc/mysql /run/avahi-daemon /srv"
    )
    on_peer(vm, DNS_OF_PEER)


def avahi_on_peer(vm: Machine) -> None:
    """Another mDNS responder, `other.local`, in the namespace. Its files are not those of this host's."""
    script = "mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon -D --no-drop-root --no-chroot --no-rlimits"
    on_peer(vm, f"unshare --mount sh -c '{script} -f /root/avahi-peer.conf'")


def start(vm: Machine, *units: str) -> None:
    """Start units, one after another."""
    for unit in units:
        vm.run(
            f"systemctl start {unit} || {{ journalctl -n 30 --no-pager -u {unit}; exit 1; }}", timeout=START_SECONDS
        )


def on_peer(vm: Machine, command: str, *, timeout: float = SLOW, check: bool = True) -> Completed:
    """Run a command on the other host."""
    return vm.run(f"{inside('peer')} {command}", timeout=timeout, check=check)


def of(denials: list[Denial], *domains: str) -> list[str]:
    """The packet denials of these domains, as the audit log has them."""
    return [each.raw for each in denials if each.source in domains]
