"""Settings of the live page: address and limits. Their defaults and meanings are stated here only."""

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_LISTEN = "127.0.0.1:8080"
ADDRESS_WORDS = "The live page is at "
"""How the log line with the address begins; the demo looks for it."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """One set for a whole page server. Limits hold for all browsers together unless they say otherwise."""

    enabled: bool = True
    """Whether the page is served."""
    listen: str = DEFAULT_LISTEN
    """Where browsers find the page, as host:port."""
    hosts: tuple[str, ...] = ()
    """Further names that browsers may call the page by where people get in without signing in: a page elsewhere could
    otherwise reach it under a name of its own. Numbers and this machine's own name always work."""
    public_url: str = ""
    """Address of the page as browsers see it, such as `https://inspector.plant.example`, where a proxy stands before
    it: for the way back from sign-in and for links in alerts. Empty: as the browser asks for it."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of the proxies before the page, such as `10.0.0.5` or `10.0.0.0/24`. Only they are believed where a
    request comes from (`X-Forwarded-For`) and whether over TLS (`X-Forwarded-Proto`)."""
    allow_insecure: bool = False
    """Allows other hosts to connect without TLS: only inside a network that is protected otherwise."""
    max_connections: int = 512
    """Connections of all browsers together; one more is answered with 503."""
    max_connections_per_host: int = 256
    """Connections of one host at the same time; one more is closed. A proxy before the page counts as one host."""
    request_timeout_s: float = 10.0
    """A request that is not complete after this time is ended."""
    max_body_bytes: int = 2**20
    """Largest body of a request."""
    max_head_bytes: int = 16 * 2**10
    """Largest head of a request."""
    max_streams: int = 64
    """Event streams at the same time. A browser takes one for all of its tabs."""
    max_streams_per_host: int = 32
    """Event streams of one host at the same time; an IPv6 network of 64 bits counts as one host."""
    max_streams_per_person: int = 16
    """Event streams of one signed-in person or token at the same time."""
    heartbeat_s: float = 5.0
    """A stream without news gets a comment this often, so that both ends notice a dead connection."""
    send_timeout_s: float = 10.0
    """A browser that accepts nothing for this long is cut off; it connects again and asks for missed events."""
    gather_s: float = 0.04
    """Verdicts that follow another one within this time are sent together."""
    ring_bytes: int = 32 * 2**20
    """Memory for recent events, for browsers that connect again."""
    ring_age_s: float = 600.0
    """Older events are removed from that memory; also how far back the log is read at the start."""
    ring_count: int = 20_000
    """Most events in that memory."""
    media_bytes: int = 64 * 2**20
    """Memory for pictures and sounds of recent pieces."""
    media_timeout_s: float = 5.0
    """A picture or a sound that cannot be read within this time is answered with 503."""
    stop_s: int = 3
    """At the end of the process open requests get this many seconds."""

    @property
    def names(self) -> tuple[str, ...]:
        """Further names that browsers may call the page by."""
        public = urlsplit(self.public_url).hostname
        return (*self.hosts, public) if public else self.hosts
