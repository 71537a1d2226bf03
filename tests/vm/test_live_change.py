# SPDX-License-Identifier: GPL-2.0-or-later
"""A change of the label map takes effect on connections that are open: every packet is labelled for itself."""

from __future__ import annotations

from labelling import SLOW, refused, write_labels
from machine import Machine
from talking import SILENCE, Talker, converse, hang_up, open_connection

PORT = 9000
LABELLED = f"[labels.http]\ntcp = [80, {PORT}]\n"
NOT_LABELLED = "[labels.http]\ntcp = [80]\n"


def test_a_reload_takes_effect_on_a_live_connection(host: Machine) -> None:
    vm = host
    write_labels(vm, LABELLED)
    vm.run("systemctl start secmarkd", timeout=SLOW)
    vm.enforcing()
    server, client = Talker(vm, "smd_server_t"), Talker(vm, "smd_client_t")
    open_connection(server, client, PORT)
    converse(client, server)
    assert vm.denials() == []

    write_labels(vm, NOT_LABELLED)
    vm.run("systemctl reload secmarkd", timeout=SLOW)
    assert client.send("unheard") == "ok"  # into the socket's buffer
    assert server.receive(seconds=SILENCE) == "timeout"
    assert refused(vm.denials(), "smd_client_t") == {("send", "client_packet_t")}

    write_labels(vm, LABELLED)
    vm.run("systemctl reload secmarkd", timeout=SLOW)
    assert server.receive() == "unheard"  # by TCP's retransmission
    vm.audit()
    converse(server, client)
    hang_up(server, client)
    assert vm.denials() == []
