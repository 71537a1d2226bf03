# SPDX-License-Identifier: GPL-2.0-or-later
"""SELinux of the running kernel.

selinuxfs      its state, and whether it knows a context
access         what the loaded policy allows
notifications  that a policy was loaded, a boolean or enforcement changed
"""
