"""Adapters to the kernel: nftables through libnftables in a process of its own, netlink, selinuxfs."""
