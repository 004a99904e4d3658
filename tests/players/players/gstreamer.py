"""Plays a URL with playbin3 and says what is shown, a line of JSON each. A line on standard input is the name of the sound to hear."""

import json
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def say(**what):
    print(json.dumps({"at": time.time() * 1000, **what}), flush=True)


class Player:
    def __init__(self, url, loop):
        self.loop = loop
        self.streams = []
        self.buffering = False
        self.playbin = Gst.ElementFactory.make("playbin3")
        # Both sinks keep time and let nothing fall: what comes late is shown late, and seen as a stall.
        for kind in ("video", "audio"):
            sink = Gst.ElementFactory.make("fakesink")
            sink.set_property("sync", True)
            sink.set_property("signal-handoffs", kind == "video")
            if kind == "video":
                sink.connect("handoff", self.shown)
            self.playbin.set_property(f"{kind}-sink", sink)
        self.playbin.set_property("uri", url)
        bus = self.playbin.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.heard)
        GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, self.told)
        self.playbin.set_state(Gst.State.PLAYING)

    def shown(self, sink, buffer, pad):
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        say(kind="frame", pts=segment.to_running_time(Gst.Format.TIME, buffer.pts) / Gst.SECOND)

    def heard(self, bus, message):
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.WARNING):
            error, debug = message.parse_error() if message.type == Gst.MessageType.ERROR else message.parse_warning()
            say(kind="error", text=f"{error.message} ({debug})")
        elif message.type == Gst.MessageType.EOS:
            say(kind="error", text="end of stream")
            self.loop.quit()
        elif message.type == Gst.MessageType.BUFFERING:
            self.buffer(message.parse_buffering())
        elif message.type == Gst.MessageType.STREAM_COLLECTION:
            collection = message.parse_stream_collection()
            self.streams = [collection.get_stream(at) for at in range(collection.get_size())]

    def buffer(self, percent):
        """As GStreamer's manual asks of applications: nothing plays until all is full again."""
        if percent < 100 and not self.buffering:
            say(kind="wait")
            self.buffering = True
            self.playbin.set_state(Gst.State.PAUSED)
        elif percent >= 100 and self.buffering:
            self.buffering = False
            self.playbin.set_state(Gst.State.PLAYING)

    def told(self, source, condition):
        name = sys.stdin.readline().strip()
        if name == "":
            self.loop.quit()
            return False
        self.choose(name)
        return True

    def choose(self, name):
        def of(kind):
            return [stream for stream in self.streams if stream.get_stream_type() & kind]

        sounds = [stream for stream in of(Gst.StreamType.AUDIO) if name in title(stream)]
        if not sounds:
            say(kind="error", text=f"no sound {name}: {[title(stream) for stream in of(Gst.StreamType.AUDIO)]}")
            return
        chosen = [of(Gst.StreamType.VIDEO)[0].get_stream_id(), sounds[0].get_stream_id()]
        self.playbin.send_event(Gst.Event.new_select_streams(chosen))


def title(stream):
    tags = stream.get_tags()
    found, text = tags.get_string("title") if tags is not None else (False, "")
    return f"{text if found else ''} {stream.get_stream_id()}"


def main():
    Gst.init(None)
    loop = GLib.MainLoop()
    player = Player(sys.argv[1], loop)
    loop.run()
    player.playbin.set_state(Gst.State.NULL)


main()
