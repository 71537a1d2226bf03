# The distribution's python3-systemd 235 (systemd-python).
