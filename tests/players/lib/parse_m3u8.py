"""Reads a JSON list of playlists on standard input and writes what m3u8 reads out of each, or why it does not."""

import json
import sys

import m3u8


def summary(text):
    playlist = m3u8.M3U8(text, strict=True)
    if playlist.is_variant:
        return {
            "variants": [variant.uri for variant in playlist.playlists],
            "key_pictures": [variant.uri for variant in playlist.iframe_playlists],
            "sounds": [media.name for media in playlist.media if media.type == "AUDIO"],
        }
    return {
        "target": playlist.target_duration,
        "first": playlist.media_sequence,
        "ended": playlist.is_endlist,
        "segments": [[s.uri, s.duration, milliseconds(s.program_date_time)] for s in playlist.segments if s.uri],
    }


def milliseconds(instant):
    return None if instant is None else round(instant.timestamp() * 1000)


def read(text):
    try:
        return summary(text)
    except Exception as error:  # Whatever it is, it is about the playlist.
        return {"error": f"{type(error).__name__}: {error}"}


json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
