# SPDX-License-Identifier: GPL-2.0-or-later
"""What the server machine has, and that nothing of it runs before a test starts it."""

from __future__ import annotations

from machine import Machine

SERVICES = """
    apache2 avahi-daemon chrony cron cups docker dovecot fail2ban firewalld haproxy isc-dhcp-server kea-dhcp4-server
    mariadb named nfs-server nginx nmbd openvpn podman postfix postgresql redis-server rpcbind rsyslog smbd snmpd squid ssh
    stunnel4 systemd-networkd systemd-resolved unbound vsftpd
""".split()
PROGRAMS = "busybox dhclient dig dnsmasq iptables mount.nfs podman smbclient snmpget tcpdump traceroute wg".split()


def test_every_service_is_there_and_off(machine: Machine) -> None:
    machine.restore("prepared")
    states = machine.run(f"systemctl show -P LoadState -P ActiveState {' '.join(SERVICES)}").out.split()
    assert states == ["loaded", "inactive"] * len(SERVICES)


def test_the_programs_that_tests_use_are_there(machine: Machine) -> None:
    machine.restore("prepared")
    assert len(machine.run(f"command -v {' '.join(PROGRAMS)}").out.split()) == len(PROGRAMS)
