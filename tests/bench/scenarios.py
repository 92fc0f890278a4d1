"""
The scenarios of `./dev bench`: the load on each server, in full and in quick size.

A scenario has a question, a kind (which decides what measure.py does), the options of the load generator,
and the figures that answer it.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Figure:
    """A column of the table: KEY of the result, and how to show it. RATIO: also as a ratio to the raw writer."""
    key: str
    title: str
    digits: int = 1
    ratio: bool = False
    scale: float = 1


CPU_DELIVERY = Figure("cpu_us_per_delivery", "CPU µs/delivery", 2, ratio=True)
DELIVERIES = Figure("deliveries_per_s", "deliveries/s", 0, ratio=True)
CPU_PUBLICATION = Figure("cpu_us_per_publication", "CPU µs/publication", 1, ratio=True)
PUBLICATIONS = Figure("publications_per_s", "publications/s", 0, ratio=True)
P50 = Figure("latency_p50_us", "p50 ms", 2, ratio=True, scale=1e-3)
P99 = Figure("latency_p99_us", "p99 ms", 2, ratio=True, scale=1e-3)

FANOUT = (CPU_DELIVERY, DELIVERIES, PUBLICATIONS, P50, P99)
PACED = (P50, P99, Figure("latency_max_us", "max ms", 2, scale=1e-3), CPU_DELIVERY)
PUBLISHING = (CPU_PUBLICATION, PUBLICATIONS, Figure("answer_p50_us", "answer p50 µs", 0, ratio=True),
              Figure("answer_p99_us", "answer p99 µs", 0))
ROUTING = (CPU_PUBLICATION, PUBLICATIONS, P50, P99)
IDLE = (Figure("pss_bytes_per_subscriber", "process B/subscriber", 0),
        Figure("connects_per_s", "connects/s", 0, ratio=True),
        Figure("connect_cpu_us", "CPU µs/connect", 1, ratio=True),
        Figure("leave_cpu_us", "CPU µs/leaving", 1, ratio=True),
        Figure("idle_cpu_percent", "idle CPU % of a core", 3),
        Figure("spread", "most in a child / mean", 2))
STALLED = (Figure("pss_bytes_per_subscriber", "process B/subscriber, idle", 0),
           Figure("stalled_bytes_per_subscriber", "more B/subscriber that does not read", 0))
STORM = (Figure("storm_s", "s until all are up to date", 3, ratio=True),
         Figure("cpu_us_per_reconnect", "CPU µs/subscriber", 0, ratio=True),
         Figure("caught_up_p50_us", "p50 ms", 0, scale=1e-3),
         Figure("caught_up_p99_us", "p99 ms", 0, scale=1e-3))


@dataclasses.dataclass(frozen=True)
class Scenario:
    """FULL and QUICK: options of the load generator, without dashes. WANTS: abilities that a server needs."""
    name: str
    question: str
    kind: str
    figures: tuple
    full: dict
    quick: dict
    wants: frozenset = frozenset()
    private: bool = False   # updates are private, and each subscriber has its own token
    patterns: bool = False  # subscriptions are URL Patterns, all different

    def load(self, quick):
        """The load generator's options."""
        return self.quick if quick else self.full

    def subscribers(self, quick):
        return self.load(quick).get("subscribers", 0)

    def is_fanout(self):
        """Whether each update goes to many subscribers."""
        return self.kind == "run" and "topics" not in self.full and self.subscribers(False) > 0

    def connections(self, quick):
        """The number of descriptors that a load generator or a server with one process needs."""
        return self.subscribers(quick) + self.load(quick).get("publishers", 1) + 64


def _topics(name, count, updates, **more):
    return Scenario(name, f"one receiver among {count:,} topics, as fast as publications are answered", "run",
                    ROUTING, {"subscribers": count, "topics": count, "updates": updates, "publishers": 4},
                    {"subscribers": min(count, 200), "topics": min(count, 200), "updates": 400, "publishers": 4},
                    **more)


ALL = (
    Scenario("fanout1k", "each update to 1,000 subscribers, at full rate", "run", FANOUT,
             {"subscribers": 1000, "updates": 1000}, {"subscribers": 100, "updates": 100}),
    Scenario("fanout10k", "each update to 10,000 subscribers, at full rate", "run", FANOUT,
             {"subscribers": 10000, "updates": 200}, {"subscribers": 300, "updates": 50}),
    Scenario("paced", "10 updates a second to 1,000 subscribers", "run", PACED,
             {"subscribers": 1000, "updates": 100, "rate": 10, "publishers": 4},
             {"subscribers": 100, "updates": 20, "rate": 10, "publishers": 4}),
    Scenario("pubonly", "publications without subscribers, over 8 connections", "run", PUBLISHING,
             {"subscribers": 0, "updates": 20000, "publishers": 8},
             {"subscribers": 0, "updates": 1000, "publishers": 8}),
    _topics("topics100", 100, 10000),
    _topics("topics1k", 1000, 10000),
    _topics("topics10k", 10000, 10000),
    Scenario("topics100k", "one receiver among 100,000 topics, of which each of 1,000 subscribers has 100", "run",
             ROUTING, {"subscribers": 1000, "topics": 100000, "topics-each": 100, "updates": 10000, "publishers": 4},
             {"subscribers": 50, "topics": 1000, "topics-each": 20, "updates": 400, "publishers": 4},
             wants=frozenset({"many topics"})),
    Scenario("private1k", "private updates, each for one of 1,000 tokens", "run", ROUTING,
             {"subscribers": 1000, "topics": 1000, "updates": 10000, "publishers": 4},
             {"subscribers": 100, "topics": 100, "updates": 300, "publishers": 4}, private=True),
    Scenario("private10k", "private updates, each for one of 10,000 tokens", "run", ROUTING,
             {"subscribers": 10000, "topics": 10000, "updates": 10000, "publishers": 4},
             {"subscribers": 200, "topics": 200, "updates": 300, "publishers": 4}, private=True),
    Scenario("patterns1k", "one receiver among 1,000 different URL Patterns", "run", ROUTING,
             {"subscribers": 1000, "topics": 1000, "updates": 5000, "publishers": 4},
             {"subscribers": 100, "topics": 100, "updates": 300, "publishers": 4}, patterns=True),
    Scenario("patterns10k", "one receiver among 10,000 different URL Patterns", "run", ROUTING,
             {"subscribers": 10000, "topics": 10000, "updates": 2000, "publishers": 4},
             {"subscribers": 200, "topics": 200, "updates": 300, "publishers": 4}, patterns=True),
    Scenario("idle2k", "2,000 subscribers that get nothing but a heartbeat every 20 s", "idle", IDLE,
             {"subscribers": 2000}, {"subscribers": 100}),
    Scenario("idle10k", "10,000 subscribers that get nothing but a heartbeat every 20 s", "idle", IDLE,
             {"subscribers": 10000}, {"subscribers": 200}),
    Scenario("idle50k", "50,000 such subscribers, over several child processes", "idle", IDLE,
             {"subscribers": 50000}, {"subscribers": 400}, wants=frozenset({"many descriptors"})),
    Scenario("stalled2k", "2,000 subscribers that do not read, while 40 updates of 16 KB are published", "stalled",
             STALLED, {"subscribers": 2000, "updates": 40, "data-bytes": 16000},
             {"subscribers": 50, "updates": 40, "data-bytes": 16000}),
    Scenario("storm", "2,000 subscribers come back at once, each 100 updates behind", "storm", STORM,
             {"subscribers": 2000, "updates": 101}, {"subscribers": 100, "updates": 21},
             wants=frozenset({"history"})),
    Scenario("storm10k", "10,000 subscribers come back at once, each an update behind", "storm", STORM,
             {"subscribers": 10000, "updates": 2}, {"subscribers": 100, "updates": 2},
             wants=frozenset({"history"})),
    Scenario("large1k", "updates of 16 KB to 1,000 subscribers, at full rate", "run", FANOUT,
             {"subscribers": 1000, "updates": 40, "data-bytes": 16000},
             {"subscribers": 50, "updates": 10, "data-bytes": 16000}),
)

BY_NAME = {scenario.name: scenario for scenario in ALL}
# idle50k takes more than a gigabyte of memory, and the others show the same as those next to them, so they run only if
# they are named.
NAMED = {"idle2k", "idle50k", "stalled2k", "storm10k", "large1k"}
DEFAULT = tuple(scenario.name for scenario in ALL if scenario.name not in NAMED)
