# SPDX-License-Identifier: GPL-2.0-or-later
"""What the test machines are made of. image.py builds each by the same steps; the recipe's value is part of the key.

EVERYDAY is the machine of the lane `vm`, as small as can be. SERVER is the same with the services of a Debian server, for
the lane `server`, which runs only when asked (`make test-server`): none of them runs before a test starts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Recipe:
    """One kind of machine.

    `files` are texts by path in the root file system; `enabled` are the only units that start at boot, or None for what the
    packages enable themselves; `disk` is a size as mkfs takes it (sparse), `memory` is in MiB.
    """

    name: str
    packages: tuple[str, ...]
    masked: tuple[str, ...]
    disabled: tuple[str, ...]
    files: Mapping[str, str] = field(hash=False)
    enabled: tuple[str, ...] | None = None
    disk: str = "4G"
    memory: int = 1024


EVERYDAY = Recipe(
    name="everyday",
    packages=tuple(
        """
        linux-image-cloud-amd64 initramfs-tools zstd kmod systemd systemd-sysv dbus util-linux procps
        nftables python3-nftables python3-systemd python3-pydantic python3-selinux python3-setools
        python3-pytest python3-hypothesis make git
        selinux-policy-default selinux-utils policycoreutils checkpolicy semodule-utils secilc auditd
        iproute2 iputils-ping conntrack curl netcat-openbsd openssh-server openssh-client
        """.split()
    ),
    masked=tuple(
        """
        getty@tty1.service serial-getty@ttyS0.service console-getty.service systemd-journald-audit.socket
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
        logrotate.timer man-db.timer systemd-tmpfiles-clean.timer systemd-timesyncd.service networking.service
        systemd-pstore.service systemd-firstboot.service systemd-hwdb-update.service systemd-update-done.service
        """.split()
    ),
    disabled=("ssh.service", "ssh.socket", "nftables.service", "conntrackd.service"),
    files={
        "etc/hostname": "secmarkd-vm\n",
        "etc/hosts": "127.0.0.1 localhost secmarkd-vm\n::1 localhost\n",
        "etc/machine-id": "5ec3a7cd5ec3a7cd5ec3a7cd5ec3a7cd\n",
        "etc/fstab": "",
        "etc/apt/sources.list": "",
        "etc/selinux/config": "SELINUX=permissive\nSELINUXTYPE=default\n",
        "etc/systemd/journald.conf.d/vm.conf": "[Journal]\nStorage=volatile\nRateLimitBurst=0\n",
    },
)

SERVER = replace(
    EVERYDAY,
    name="server",
    packages=EVERYDAY.packages
    + tuple(
        """
        nginx-light apache2 haproxy squid postgresql mariadb-server mariadb-client redis-server
        bind9 bind9-dnsutils unbound dnsmasq-base systemd-resolved avahi-daemon avahi-utils
        chrony postfix dovecot-imapd rsyslog fail2ban rpcbind nfs-kernel-server nfs-common snmpd snmp
        isc-dhcp-server isc-dhcp-client kea-dhcp4-server samba smbclient cups vsftpd stunnel4
        openvpn wireguard-tools firewalld cron tcpdump traceroute
        docker.io podman crun netavark aardvark-dns passt busybox-static
        """.split()
    ),
    enabled=("auditd.service", "secmarkd-vm-agent.service"),
    disk="12G",
    memory=2048,
)

RECIPES = {recipe.name: recipe for recipe in (EVERYDAY, SERVER)}
