"""XML of publishers, read one entry at a time: no DTD, no entities, no network, bounded depth.

XML is where a forged list could do more than lie: a DTD may expand to gigabytes or read local
files. Both are refused before the first entry is looked at.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # it ships no types
from defusedxml.ElementTree import iterparse  # type: ignore[import-untyped]  # it ships no types

from rtgf_node.core.lists.record import refused
from rtgf_node.core.lists.text import check_body

MAX_DEPTH = 24  # levels; real lists use at most 7
MAX_CHILDREN = 20_000  # elements inside one entry; the largest real entry has under 3,000


def entries(data: bytes, *, root: str, tags: frozenset[str]) -> Iterator[Element]:
    """Yield the root as it opens, then every element of `tags`, complete and without namespaces.

    An element is emptied after its turn: take what you need while you have it.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE with `line:column`: it is not well-formed, cut off,
        another document than `root`, has a DTD or entities, or exceeds a limit.
    """
    check_body(data)
    parser = iterparse(
        io.BytesIO(data),
        events=("start", "end"),
        forbid_dtd=True,
        forbid_entities=True,
        forbid_external=True,
    )
    try:
        yield from _walk(parser, root, tags)
    except ParseError as error:
        line, column = error.position
        reason = str(error).split(":", maxsplit=1)[0]
        place = f"{line}:{column + 1}"
        raise refused(f"line {line}: the XML breaks off: {reason}", pointer=place) from None
    except DefusedXmlException as error:
        kind = type(error).__name__
        raise refused(f"the XML declares a DTD or an entity ({kind})") from None
    except (LookupError, ValueError) as error:
        # expat answers an unknown or multi-byte declared encoding with these.
        raise refused(f"the XML's encoding cannot be read ({type(error).__name__})") from None


def text(element: Element, path: str) -> str:
    """Return the text of the first descendant at `path`, or an empty text."""
    return (element.findtext(path) or "").strip()


def texts(element: Element, path: str) -> list[str]:
    """Return the texts of all descendants at `path` that have one."""
    return [found.text.strip() for found in element.findall(path) if found.text]


def _walk(
    events: Iterator[tuple[str, Element]], root: str, tags: frozenset[str]
) -> Iterator[Element]:
    path: list[Element] = []
    size = 0
    inside: Element | None = None
    for event, element in events:
        if event == "start":
            element.tag = element.tag.rpartition("}")[2]
            if not path:
                if element.tag != root:
                    raise refused(
                        f"the root is <{element.tag[:40]}>, not <{root}>: it is another document",
                        pointer="1:1",
                    )
                yield element
            path.append(element)
            if len(path) > MAX_DEPTH:
                raise refused(f"elements are nested deeper than {MAX_DEPTH}")
            if inside is None and element.tag in tags:
                inside, size = element, 0
            size += 1
            if inside is not None and size > MAX_CHILDREN:
                raise refused(f"an entry holds more than {MAX_CHILDREN} elements")
            continue
        path.pop()
        if element is inside:
            yield element
            inside = None
        if inside is None and path:
            element.clear()
            path[-1].remove(element)
