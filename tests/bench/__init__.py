# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of the README, measured: `python -m tests.bench [names…] [--quick] [--json FILE]`, as root.

Each figure stands beside a baseline of the same run: rounds of the one and the other alternate, so that whatever else the
machine does meets both. Nothing here fails for being slow. Everything happens in network namespaces of its own, in
rehearsal: counter objects take the place of secmark objects, for which a kernel without SELinux has no meaning.
"""
