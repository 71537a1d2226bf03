# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCP has a port at each end, and its answers belong to no connection that the question has opened."""

from __future__ import annotations

from machine import Machine
from talking import inside

from tests.server.services import START_SECONDS, of, on_peer, start

LEASE_SECONDS = 180.0
NETWORK = """[Match]
Name=peer
[Network]
DHCP=yes
LinkLocalAddressing=ipv6
IPv6AcceptRA=yes
KeepConfiguration=static
"""
SERVE = (
    "dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --port=0 --bind-interfaces --enable-ra --user=root "
    "--dhcp-range=192.0.2.100,192.0.2.150,255.255.255.0,10m --dhcp-range=2001:db8:7::100,2001:db8:7::1ff,64,10m "
)


def addressed(vm: Machine) -> None:
    """The network of DHCP over IPv6 between this host and the other one."""
    vm.run("sysctl -qw net.ipv6.conf.peer.addr_gen_mode=0; ip link set peer down; ip link set peer up")
    on_peer(vm, "sh -c 'sysctl -qw net.ipv6.conf.host.addr_gen_mode=0; ip link set host down; ip link set host up'")


def await_leases(vm: Machine, enter: str, interface: str) -> None:
    """Until there is an address of each range."""
    addresses = f"{enter} ip -o address show dev {interface}"
    wanted = "192.0.2.1[0-5][0-9]/24", "2001:db8:7::1[0-9a-f]*/128"
    for each in wanted:
        vm.run(f"until {addresses} | grep -q '{each}'; do sleep 1; done", timeout=LEASE_SECONDS)


def test_networkd_gets_leases_of_both_families(labelled: Machine) -> None:
    addressed(labelled)
    on_peer(labelled, "ip address add 2001:db8:7::2/64 dev host nodad")
    on_peer(labelled, f"{SERVE} --interface=host --pid-file=/run/dnsmasq-dhcp.pid --dhcp-leasefile=/run/leases")
    labelled.put(NETWORK, "/etc/systemd/network/10-peer.network")
    labelled.run("restorecon -R /etc/systemd")
    start(labelled, "systemd-networkd")
    await_leases(labelled, "", "peer")
    assert of(labelled.denials(), "systemd_networkd_t") == []


def test_dnsmasq_gives_leases_of_both_families(labelled: Machine) -> None:
    addressed(labelled)
    labelled.run("ip address add 2001:db8:7::1/64 dev peer nodad; rm -f /var/lib/misc/dnsmasq.leases")
    serve = f"{SERVE} --keep-in-foreground --interface=peer"
    labelled.run(f"systemd-run --quiet --unit=dhcp {serve}", timeout=START_SECONDS)
    labelled.run("until ss -Hulpn | grep -q ':547 '; do sleep 1; done", timeout=START_SECONDS)
    for family in ("-4", "-6"):
        files = f"-lf /run/dhclient{family} -pf /run/dhclient{family}.pid"
        ask = f"runcon -u unconfined_u -r unconfined_r -t unconfined_t -- dhclient {family} -1 {files} host"
        labelled.run(f"{inside('peer')} {ask}", timeout=LEASE_SECONDS)
    await_leases(labelled, inside("peer"), "host")
    assert "dnsmasq_t" in labelled.run("ps -C dnsmasq -o label=").out
    denied = {each.target for each in labelled.denials() if each.source == "dnsmasq_t"}
    assert denied <= {"icmp_packet_t"}  # for router advertisements, which the policy lets it neither send nor receive
