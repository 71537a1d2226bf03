# SPDX-License-Identifier: GPL-2.0-or-later
"""The texts that `journalctl -x` shows below each event; `make catalog` writes the file of them."""

from __future__ import annotations

from secmarkd.events import (
    CgroupAbsent,
    CgroupsNotWatched,
    ConfigurationProblem,
    ConfigurationWritable,
    ContextsKnown,
    ContextsUnknown,
    Degraded,
    DriftDetected,
    DriftFlood,
    DriftGone,
    DriftHeldBack,
    DriftRepaired,
    EnforcementChanged,
    EnvironmentChanged,
    EnvironmentNotFollowed,
    Event,
    EventsLost,
    FightDetected,
    FightEnded,
    ForwardingDenied,
    LabelRejected,
    LabelsCreated,
    LabelsReplaced,
    LockLost,
    LockTakenAgain,
    NameFound,
    NamesNotLookedUp,
    NameWaits,
    OtherTablesLabel,
    OtherTablesLabelNoMore,
    Ready,
    Recovered,
    Reloaded,
    ReloadRejected,
    RemovalFailed,
    RepairFailed,
    RulesetBusy,
    RulesetCalm,
    Started,
    StartFailed,
    Stopped,
    VerificationFailed,
    WorkerCrashed,
)

TEXTS: dict[type[Event], tuple[str, str]] = {
    Started: (
        "The packet labelling service is starting",
        "secmarkd reads the label map in @SECMARKD_FOLDERS@ and will bring the kernel's packet labels to "
        "it. Labels that an earlier run left in the kernel stay in force meanwhile.",
    ),
    Ready: (
        "Packet labels are in place and verified",
        "The kernel's table inet secmarkd was read back after the last change and equals the configuration: "
        "@SECMARKD_LABELS@ labels, @SECMARKD_ELEMENTS@ map elements, mode @SECMARKD_MODE@.",
    ),
    StartFailed: (
        "The packet labelling service could not start",
        "@SECMARKD_ERROR@\n\n"
        "Labels that are in the kernel, of an earlier run or of this one, stay in force, but are not "
        "monitored. Exit codes 69 (something is missing on this machine), 77 (a permission is "
        "missing) and 78 (the configuration is wrong) are not retried. Run `secmarkctl check`, fix what it "
        "names, then `systemctl start secmarkd`.",
    ),
    Stopped: (
        "The packet labelling service has stopped",
        "The labels were @SECMARKD_LABELS@, as on_stop in secmarkd.toml asks. Kept labels go on marking "
        "packets, and changes that others make to them are not noticed. `secmarkctl clear` takes them out.",
    ),
    RemovalFailed: (
        "Packet labels could not be removed",
        'The service stopped with on_stop = "remove", and the kernel refused: @SECMARKD_ERROR@\n\n'
        "Run `secmarkctl clear` as root.",
    ),
    LockTakenAgain: (
        "The lock of the packet labelling service was removed and is there again",
        "Somebody removed @SECMARKD_FILE@, or the directory around it, while the service was running. By this file "
        "only one secmarkd at a time writes the labels. The service created and locked it again and wrote its status "
        "again. Nothing was missed. Leave the directory to the service.",
    ),
    LockLost: (
        "The lock of the packet labelling service was removed and cannot be taken again",
        "Somebody removed @SECMARKD_FILE@, or the directory around it, while the service was running, and: "
        "@SECMARKD_ERROR@\n\n"
        "Until the service has the lock again, another secmarkd or secmarkctl may write the labels as well. The service "
        "tries again each second. Where another service is running, stop one of the two.",
    ),
    LabelsCreated: (
        "Packet labels were created",
        'There was no table inet secmarkd in this network namespace; now there is. In mode "label" the '
        "kernel checks from now on the label of every packet of this machine against the SELinux policy.",
    ),
    LabelsReplaced: (
        "Packet labels were brought to another state",
        "The old labels gave way to the new ones, in up to five transactions where one would let a packet "
        "pass without either. The reason was @SECMARKD_REASON@; @SECMARKD_COUNT@ things differed. `secmarkctl show` "
        "lists what is in force.",
    ),
    Reloaded: (
        "The label map was reloaded",
        "The new configuration is in the kernel, was read back and is equal. It counts for open connections "
        "too, from their next packet.",
    ),
    ReloadRejected: (
        "A new label map was rejected",
        "@SECMARKD_ERROR@\n\n"
        "No part of the new configuration was used. The labels stay as they were and are still watched "
        "over. What is wrong is in the messages just before this one; `secmarkctl check` repeats it. Mend "
        "it, then `systemctl reload secmarkd`.",
    ),
    ConfigurationProblem: (
        "A mistake in the label map",
        "In @SECMARKD_FILE@, line @SECMARKD_LINE@: @SECMARKD_PROBLEM@\n\n"
        "A file with a mistake makes the whole configuration be rejected, never a part of it.",
    ),
    ConfigurationWritable: (
        "Others may write the configuration of the packet labels",
        "@SECMARKD_FILE@: @SECMARKD_PROBLEM@\n\n"
        "The configuration is in force all the same. Whoever may write the file, or a directory on the way to it, can "
        "give any packet any label at the next reload. secmarkd.toml, labels.d, its files, the targets of links and all "
        "directories that they are in should belong to root and be writable by no other user.",
    ),
    LabelRejected: (
        "The SELinux policy refuses a label",
        "The context is @SECMARKD_OBJECT@. Either the loaded policy does not know it (`seinfo -t TYPE`; a "
        "policy module may not be installed), or it does not let this service use it: packet { relabelto }, "
        "see `ausearch -m AVC -c secmarkd`. The labels that were in the kernel stay.",
    ),
    OtherTablesLabel: (
        "Other programs set packet labels too",
        "@SECMARKD_SAMPLE@\n\n"
        "secmarkd watches over its own table only: `in sync` says that table inet secmarkd is as configured, and not that "
        "packets have its labels when they are checked. What stands after it replaces its labels, what stands before "
        "it in output is kept. Where that is not intended, take these rules out; `nft list ruleset` shows them. A table "
        "that only declares labels turns SELinux's packet checks on for the whole machine all the same.",
    ),
    OtherTablesLabelNoMore: (
        "Other programs no longer set packet labels",
        "@SECMARKD_SAMPLE@\n\nThis was said of them before, and they are not there any more.",
    ),
    ForwardingDenied: (
        "The policy does not let packets with this label be forwarded",
        "@SECMARKD_ERROR@\n\n"
        "As soon as SELinux is enforcing and this machine forwards packets (net.ipv4.ip_forward, which docker, podman "
        "and libvirt switch on), those with the label @SECMARKD_OBJECT@ are refused, in silence for whoever sent them. "
        "Such a default.forward is rejected when it is loaded in that state; now it was not. Change @SECMARKD_ORIGIN@, or "
        "load a policy module with this rule: @SECMARKD_HINT@",
    ),
    ContextsUnknown: (
        "The loaded SELinux policy does not know contexts of packet labels",
        "@SECMARKD_COUNT@ contexts are in the kernel's labels and not in the policy that was loaded since: "
        "@SECMARKD_SAMPLE@\n\n"
        "Nothing was removed. Packets with these labels count as unlabeled_t; all others are checked as before. But if "
        "table inet secmarkd is emptied or must be recreated meanwhile, the kernel refuses all of it, because of these "
        "contexts. Load a policy module that has them (`semodule -l`; `seinfo -t`), and they count again by themselves, or "
        "take the labels out and `systemctl reload secmarkd`.",
    ),
    ContextsKnown: (
        "The loaded SELinux policy knows the contexts again",
        "@SECMARKD_COUNT@ contexts of packet labels are in the policy again: @SECMARKD_SAMPLE@. Nothing had to be changed.",
    ),
    EnforcementChanged: (
        "SELinux was switched to another mode",
        "It is @SECMARKD_FOUND@ now. Packet labels are the same in both modes; in permissive mode the kernel only logs "
        "what it would refuse.",
    ),
    EnvironmentChanged: (
        "The machine changed under the labels",
        "@SECMARKD_OBJECT@ was @SECMARKD_EXPECTED@ and is @SECMARKD_FOUND@. The ruleset depends on it and "
        "was compiled again from the configuration loaded last; the files were not read again.",
    ),
    EnvironmentNotFollowed: (
        "The labels could not follow a change of the machine",
        "@SECMARKD_ERROR@\n\n"
        "The cgroups of this machine are not what the labels were compiled for. The labels "
        "stay as they were; the service tries again at the next verification.",
    ),
    CgroupsNotWatched: (
        "Cgroups cannot be watched",
        "@SECMARKD_ERROR@\n\n"
        "Labels of the label map name cgroups. When one appears or is recreated, as by a unit that restarts, the labels "
        "follow it only at the next verification, in up to @SECMARKD_SECONDS@ seconds, and its packets get what the label "
        "map says without the cgroup until then. Raise fs.inotify.max_user_instances or fs.inotify.max_user_watches, and "
        "`systemctl restart secmarkd`.",
    ),
    CgroupAbsent: (
        "A label waits for a cgroup",
        "The label map selects packets of the cgroup @SECMARKD_OBJECT@ below /sys/fs/cgroup, which does not "
        "exist now. The label comes into force after the cgroup appears, at the next verification or "
        "`systemctl reload secmarkd`.",
    ),
    NameWaits: (
        "A label waits for a user, group or service that cannot be looked up",
        "@SECMARKD_ORIGIN@ names the @SECMARKD_OBJECT@: @SECMARKD_REASON@.\n\n"
        "The rules that need its number select nothing until then; all other labels are in force. The name is looked "
        "up again when /etc/passwd, /etc/group, /etc/services or /etc/nsswitch.conf changes, after 1, 2, 4, … "
        "seconds up to the setting resync, and by `systemctl reload secmarkd`. "
        "At boot a directory (LDAP, SSSD, winbind) answers later than "
        "the first label is needed: write the uid where users come from one. `secmarkctl status` lists what waits.",
    ),
    NameFound: (
        "A user, group or service that a label waited for can be looked up now",
        "The @SECMARKD_OBJECT@ is @SECMARKD_FOUND@. The labels at @SECMARKD_ORIGIN@ take effect.",
    ),
    NamesNotLookedUp: (
        "Users, groups and services could not be looked up",
        "@SECMARKD_ERROR@\n\n"
        "The label map names users, groups or services, and the process that looks them up failed or was given up because "
        "the directory that knows them did not answer. Names that have a number keep it; those that wait go on waiting. "
        "The "
        "next try is in @SECMARKD_SECONDS@ seconds. Compare `getent passwd NAME`.",
    ),
    DriftDetected: (
        "A packet label in the kernel is not as configured",
        "Something in table inet secmarkd was changed by another program.\n\n"
        "Thing: @SECMARKD_OBJECT@ (@SECMARKD_THING@ @SECMARKD_CHANGE@). Action: @SECMARKD_ACTION@.\n\n"
        "SECMARKD_EXPECTED and SECMARKD_FOUND hold what it should be and what it was (`journalctl -o "
        "verbose`). The table belongs to secmarkd alone; to change labels, edit labels.d and `systemctl "
        'reload secmarkd`. To leave such changes in place, set on_drift = "report".',
    ),
    DriftFlood: (
        "Many packet labels in the kernel are not as configured",
        "@SECMARKD_COUNT@ things differed at once (@SECMARKD_KINDS@), as after `nft flush`. Action: "
        "@SECMARKD_ACTION@. To see all of them while they differ, run `secmarkctl plan`.",
    ),
    DriftHeldBack: (
        "Packet labels in the kernel keep being changed",
        "@SECMARKD_COUNT@ more differences in @SECMARKD_PASSES@ passes were handled but not logged one by "
        "one. Another program changes table inet secmarkd again and again; `nft monitor` shows when.",
    ),
    DriftRepaired: (
        "Packet labels were repaired",
        "All that differed was repaired (@SECMARKD_COUNT@ in all), and the table was read back and found equal to the "
        "configuration.",
    ),
    DriftGone: (
        "Packet labels are as configured again",
        "What was reported before as differing (@SECMARKD_COUNT@ in all) is gone without this service having "
        "changed anything.",
    ),
    FightDetected: (
        "Another program keeps changing packet labels",
        "@SECMARKD_BY@ changed table inet secmarkd again each time after it was repaired, @SECMARKD_COUNT@ times in a "
        "row.\n\n"
        "The service goes on repairing, but waits longer and longer in between, so that the two do not keep the "
        "machine busy; in between the labels are not as configured. SECMARKD_BY_PID, _BY_EXE, _BY_COMMAND, _BY_UNIT and "
        "_BY_LOGINUID hold what is known of the other program (`journalctl -o verbose`). Stop it, or have it leave "
        "table inet secmarkd alone: `flush ruleset` in a script flushes everyone's tables; `flush table` and `delete "
        'table` name one. To give way instead, set on_drift = "report".',
    ),
    FightEnded: (
        "Packet labels are left alone again",
        "Nobody has changed table inet secmarkd for @SECMARKD_QUIET_SECONDS@ seconds. The table is as configured but "
        'for @SECMARKD_LEFT@ differences, which are left where on_drift = "report" asks for that. The next change will be '
        "dealt with at once again.",
    ),
    RepairFailed: (
        "Packet labels could not be repaired",
        "Something differs (@SECMARKD_COUNT@ in all), and: @SECMARKD_ERROR@\n\n"
        "The kernel took no part of the repair. The service tries again by itself.",
    ),
    VerificationFailed: (
        "Packet labels could not be verified",
        "@SECMARKD_ERROR@\n\n"
        "Whether the labels are as configured is not known, so nothing is changed. The service tries again "
        "by itself.",
    ),
    WorkerCrashed: (
        "A helper process failed",
        "@SECMARKD_ERROR@\n\n"
        "The helper that holds libnftables, or that loads the configuration, ended without an answer. The "
        "service goes on with a new one; labels are not affected. Where it happens again and again, another "
        "program may have written rules that this version of nftables cannot read: compare `nft --version` "
        "inside and outside of containers.",
    ),
    Degraded: (
        "Packet labels are not being kept for now",
        "A pass failed, see the messages before this one. The labels that are in the kernel stay, and the "
        "service tries again until it succeeds. `systemctl status secmarkd` says what it is waiting for.",
    ),
    Recovered: (
        "Packet labels are being kept again",
        "After @SECMARKD_ATTEMPTS@ attempts the table was read. It is as configured but for @SECMARKD_LEFT@ differences, "
        'which are left where on_drift = "report" asks for that.',
    ),
    RulesetBusy: (
        "Another program is in the way of reading the packet labels",
        "@SECMARKD_BY@ committed to nftables some @SECMARKD_COMMITS_PER_SECOND@ times a second. @SECMARKD_ERROR@\n\n"
        "Either no two looks at the ruleset found it the same, so that it is unknown whether the labels are as "
        "configured; or table inet secmarkd itself is written again and again, with nothing changed in the end. The "
        "labels in the kernel stay. The service looks again at least every @SECMARKD_LONGEST_SECONDS@ seconds, repairs "
        "what it finds, and logs one more message when this is over. SECMARKD_BY_PID, _BY_EXE, _BY_COMMAND "
        "and _BY_UNIT hold what is known of the other program (`journalctl -o verbose`); `nft monitor` shows what it "
        "does. Stop it or slow it down.",
    ),
    RulesetCalm: (
        "Packet labels can be read again",
        "For some seconds no program has been in the way of reading the labels. They were read, and are as configured but "
        'for @SECMARKD_LEFT@ differences, which are left where on_drift = "report" asks for that. @SECMARKD_GIVEN_UP@ of '
        "@SECMARKD_PASSES@ passes in @SECMARKD_SECONDS@ seconds had been given up.",
    ),
    EventsLost: (
        "Events of the packet labelling service are missing here",
        "The journal took nothing for so long that @SECMARKD_COUNT@ events had no room to wait for it. The labels were "
        "kept all the same; `secmarkctl status` says how they are. Events that did wait say how late they are.",
    ),
}
"""Subject and paragraphs of each kind of event. systemd puts fields for `@FIELD@`, where the event has them."""
