"""Events come out whole and in order, however the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc_assets.load_test.load import sse
from fc_assets.load_test.load.sse import EventReader, EventTooLargeError

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n\ufeff"), max_size=12)


def read_in_pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    reader, found, start = EventReader(), [], 0
    for cut in [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]:
        found += reader.feed(stream[start:cut])
        start = cut
    return found


@given(
    st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=5), LINE_ENDS, st.lists(st.integers(0, 400), max_size=8)
)
def test_any_cut_gives_the_same_events(events: list[list[str]], end: str, cuts: list[int]) -> None:
    stream = "".join("".join(f"data: {line}{end}" for line in lines) + end for lines in events).encode()
    # A lone CR at the very end may be half of a CRLF, so the last event needs one more line to be complete.
    stream += b": comment\n\n"
    assert read_in_pieces(stream, cuts) == ["\n".join(lines).encode() for lines in events]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_garbage_never_breaks_the_reader(stream: bytes, cuts: list[int]) -> None:
    assert all(isinstance(event, bytes) for event in read_in_pieces(stream, cuts))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data:no space\n\n", [b"no space"]),
        (b"data:  two spaces\n\n", [b" two spaces"]),
        (b"data\n\n", [b""]),
        (b": only a comment\n\n", []),
        (b"event: ping\nid: 4\ndata: x\nretry: 10\n\n", [b"x"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"database: no\n\n", []),
        (b"\xef\xbb\xbfdata: after a byte order mark\n\n", [b"after a byte order mark"]),
        (b"data: never finished", []),
        (b"\n\n\n\ndata: x\n\n", [b"x"]),
    ],
)
def test_fields_as_the_standard_has_them(stream: bytes, expected: list[bytes]) -> None:
    assert EventReader().feed(stream) == expected


def test_the_unfinished_rest_waits_for_its_end() -> None:
    reader = EventReader()
    assert reader.feed(b"data: one\n\ndata: tw") == [b"one"]
    assert reader.feed(b"o\n") == []
    assert reader.feed(b"\n") == [b"two"]


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_PENDING_BYTES", 100)
    reader = EventReader()
    reader.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLargeError, match="100 bytes"):
        reader.feed(b"x" * 20)
