#!/usr/bin/env python3
"""Makes messages.tsv: splice_info_sections of an independent encoder, and what it decodes of them.

    python3 -m venv venv && venv/bin/pip install threefive==3.1.5
    venv/bin/python tests/cues/make.py > tests/cues/messages.tsv

One message a line: a name, the section in hex, the decoded fields as JSON. The tests read the file; they need no Python.
"""

import json
import sys

from threefive import Cue, SpliceInsert, SpliceNull, TimeSignal
from threefive.commands import BandwidthReservation, PrivateCommand
from threefive.crc import crc32
from threefive.descriptors import (
    AvailDescriptor,
    DtmfDescriptor,
    SegmentationDescriptor,
    SpliceDescriptor,
    TimeDescriptor,
)
from threefive.segmentation import table22

MADE = []


def emit(name, command, descriptors=(), **section):
    cue = Cue()
    cue.command = command
    cue.descriptors = list(descriptors)
    for key, value in section.items():
        setattr(cue.info_section, key, value)
    cue.encode()
    again(name, cue.bites)


def again(name, bites):
    """Decodes afresh: what is written is what was read, not what was meant."""
    decoded = Cue(bites)
    fields = decoded.get()
    MADE.append((name, bites.hex(), json.dumps(fields, sort_keys=True)))


def insert(event_id, out=True, pts=None, duration=None, auto=True, cancel=False, program=7, avail=(0, 0), compliant=True):
    si = SpliceInsert()
    si.splice_event_id = event_id
    si.splice_event_cancel_indicator = cancel
    si.out_of_network_indicator = out
    si.program_splice_flag = True
    si.duration_flag = duration is not None
    si.splice_immediate_flag = pts is None
    si.event_id_compliance_flag = compliant
    si.time_specified_flag = pts is not None
    si.pts_time = pts
    si.break_auto_return = auto
    si.break_duration = duration
    si.unique_program_id = program
    si.avail_num, si.avails_expected = avail
    return si


def signal(pts=None):
    ts = TimeSignal()
    ts.time_specified_flag = pts is not None
    ts.pts_time = pts
    return ts


def segment(event_id, type_id, duration=None, upid=(0, 0, ""), numbers=(0, 0), sub=None, restrict=None, cancel=False):
    sd = SegmentationDescriptor()
    sd.segmentation_event_id = hex(event_id)
    sd.segmentation_event_cancel_indicator = cancel
    sd.segmentation_event_id_compliance_indicator = True
    sd.program_segmentation_flag = True
    sd.segmentation_duration_flag = duration is not None
    sd.segmentation_duration = duration
    sd.delivery_not_restricted_flag = restrict is None
    if restrict is not None:
        (sd.web_delivery_allowed_flag, sd.no_regional_blackout_flag, sd.archive_allowed_flag, sd.device_restrictions) = restrict
    sd.segmentation_upid_type, sd.segmentation_upid_length, sd.segmentation_upid = upid
    sd.segmentation_type_id = type_id
    sd.segment_num, sd.segments_expected = numbers
    if sub:
        sd.sub_segment_num, sd.sub_segments_expected = sub
    return sd


def commands():
    emit("null", SpliceNull())
    emit("bandwidth reservation", BandwidthReservation())
    private = PrivateCommand()
    private.identifier, private.private_bytes = 0x51554144, b"four games"
    emit("private command", private)
    emit("out, immediate", insert(1))
    emit("out, immediate, with duration", insert(2, duration=30.0))
    emit("out, timed", insert(3, pts=900.5))
    emit("out, timed, auto return", insert(4, pts=1000.0, duration=60.0))
    emit("out, timed, no auto return", insert(5, pts=1000.25, duration=120.0, auto=False))
    emit("out, NTSC duration", insert(6, pts=21695.740089, duration=90.023267))
    emit("in, timed", insert(3, out=False, pts=930.5))
    emit("in, immediate", insert(3, out=False))
    emit("cancelled", insert(0xFFFFFFFF, cancel=True))
    emit("avail 2 of 3", insert(7, pts=77.7, program=65535, avail=(2, 3)))
    emit("event id not compliant", insert(8, pts=88.8, compliant=False))
    emit("latest pts", insert(9, pts=95443.717667))
    emit("pts adjusted", insert(10, pts=95443.0, duration=15.0), pts_adjustment=2.5)
    emit("tier 1", insert(11, pts=12.0), tier="0x001")
    emit("tier", signal(12.0), tier="0x123", cw_index="0xff")
    emit("SAP type 1", signal(13.0), sap_type="0x00")
    emit("time signal without time", signal())
    emit("time signal", signal(14.0))
    emit("time signal adjusted", signal(14.0), pts_adjustment=95443.717)


def types():
    for type_id in sorted(table22):
        emit(f"type {type_id:#04x}", signal(100.0 + type_id), [segment(0x40000000 + type_id, type_id, numbers=(1, 2))])
    for type_id in SegmentationDescriptor.SUB_SEG_TYPES:
        sub = segment(0x50000000 + type_id, type_id, duration=15.0, numbers=(1, 2), sub=(1, 3))
        emit(f"type {type_id:#04x} with sub-segments", signal(200.0), [sub])


def upids():
    ten = [
        ("Ad-ID", (0x03, 12, "ABCD0123456H")),
        ("ISCI", (0x02, 8, "ABCD1234")),
        ("ISAN", (0x06, 12, "0x00000000341800002e4b0000")),
        ("TID", (0x07, 12, "MV0004146400")),
        ("TI", (0x08, 8, "0x000000002cb2d79d")),
        ("ADI", (0x09, 22, "PREVIEW:SIGNAL/12345-A")),
        ("EIDR", (0x0A, 12, "0x147877918534" + "2c2390308610")),
        ("ATSC", (0x0B, 12, {"TSID": 241, "reserved": 3, "end_of_day": 23, "unique_for": 511, "content_id": "human012"})),
        ("MPU", (0x0C, 12, {"format_identifier": "QUAD", "private_data": "0x0102030405060708"})),
        ("ADS", (0x0E, 17, "breakid=485740807")),
        ("URI", (0x0F, 35, "urn:uuid:aa85bbb6-5c43-4b6a-bebb-ee")),
        ("UUID", (0x10, 16, "0123456789abcdef")),
        ("SCR", (0x11, 9, "scr-id-42")),
    ]
    for name, upid in ten:
        emit(f"UPID {name}", signal(300.0), [segment(77, 0x34, duration=30.0, upid=upid, numbers=(1, 1))])
    # No UMID: threefive 3.1.5 leaves the last four bytes of one unread, and misreads whatever follows.
    members = [
        {"upid_type": 0x03, "upid_length": 12, "segmentation_upid": "ABCD0123456H"},
        {"upid_type": 0x08, "upid_length": 8, "segmentation_upid": "0x000000002cb2d79d"},
        {"upid_type": 0x0F, "upid_length": 11, "segmentation_upid": "urn:game:42"},
        {"upid_type": 0x0C, "upid_length": 6, "segmentation_upid": {"format_identifier": "QUAD", "private_data": "0x0a0b"}},
    ]
    length = sum(2 + member["upid_length"] for member in members)
    emit("UPID MID", signal(300.0), [segment(78, 0x30, duration=30.0, upid=(0x0D, length, members), numbers=(1, 1))])


def descriptors():
    emit("segmentation cancelled", signal(400.0), [segment(0x12345678, 0x34, cancel=True)])
    emit("longest duration", signal(400.0), [segment(1, 0x10, duration=12216795.864167)])
    for i, restrict in enumerate([(True, False, True, "Restrict Group 0"), (False, True, False, "Restrict Group 2"), (False, False, False, "No Restrictions")]):
        emit(f"restricted {i}", signal(400.0), [segment(2 + i, 0x22, duration=10.0, restrict=restrict)])
    emit("nested", signal(400.0), [segment(9, 0x22, 60.0), segment(10, 0x34, 60.0, numbers=(1, 1)), segment(11, 0x30, 30.0, numbers=(1, 2))])
    emit("one ends, one begins", signal(430.0), [segment(11, 0x31, numbers=(1, 2)), segment(12, 0x30, 30.0, numbers=(2, 2))])
    avail = AvailDescriptor()
    avail.provider_avail_id = 0x0000012D
    emit("avail", insert(50, pts=500.0, duration=30.0), [avail])
    dtmf = DtmfDescriptor()
    dtmf.preroll, dtmf.dtmf_count, dtmf.dtmf_chars = 177, 4, list("121#")
    emit("DTMF", insert(51, pts=500.0), [dtmf])
    time = TimeDescriptor()
    time.tai_seconds, time.tai_ns, time.utc_offset = 1767225637, 500000000, 37
    emit("time", signal(500.0), [time])
    own = SpliceDescriptor()
    own.tag, own.identifier, own.private_data = 0xF3, "QUAD", b"some text"
    emit("somebody's own", signal(500.0), [own])
    emit("all at once", insert(52, pts=500.0, duration=30.0), [avail, dtmf, time, segment(53, 0x34, 30.0, upid=(0x09, 4, "SIG1"))])


def known():
    """Messages that threefive's manual prints, as others encoded them."""
    for i, base64 in enumerate([
        "/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g=",
        "/DAWAAAAAAAAAP/wBQb+zto7dwAADRCw6g==",
    ]):
        cue = Cue(base64)
        again(f"known {i}", cue.bites)


def main():
    commands()
    types()
    upids()
    descriptors()
    known()
    for name, section, fields in MADE:
        assert crc32(bytes.fromhex(section)) == 0, name
        print(name, section, fields, sep="\t")
    print(f"{len(MADE)} messages", file=sys.stderr)


if __name__ == "__main__":
    main()
